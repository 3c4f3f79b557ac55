# git daemon, cloned from and pushed to.
. "${0%/*}/lib.sh"
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t HOME="$dir" GIT_CONFIG_NOSYSTEM=1
git init -q -b main source
sample source/file 2000000
git -C source add file
git -C source commit -qm first
git clone -q --bare source served.git
serve git git daemon --reuseaddr --listen=127.0.0.1 --port="$p1" --base-path="$dir" --export-all --enable=receive-pack
eventually listening "$p1"
git clone -q "git://127.0.0.1:$p1/served.git" clone
diff source/file clone/file && echo cloned
echo changed >clone/file
git -C clone commit -qam second
git -C clone push -q
git -C served.git log --format=%s main
git ls-remote "git://127.0.0.1:$p1/none" >/dev/null 2>&1 || echo "no such repository: $?"
