# rsync as a daemon, read and written to; what has not changed is not sent.
. "${0%/*}/lib.sh"
mkdir source module
cat >rsyncd.conf <<X
port = $p1
address = ::1
use chroot = no
log file = $dir/rsyncd.log
pid file = $dir/rsyncd.pid
lock file = $dir/rsyncd.lock
$(test "$(id -u)" != 0 || printf 'uid = 0\ngid = 0')
[files]
	path = $dir/module
	read only = no
X
for i in $(seq 200); do echo "file $i" >"source/$i"; done
sample source/large 3000000
serve rsync rsync --daemon --no-detach --config="$dir/rsyncd.conf"
eventually rsync "rsync://[::1]:$p1/"
rsync "rsync://[::1]:$p1/" | tr -d ' \t'
rsync -a source/ "rsync://[::1]:$p1/files/"
diff -r source module && echo pushed
echo more >>source/large
rsync -a --stats source/ "rsync://[::1]:$p1/files/" | grep -E 'files transferred|Literal data'
rsync -az "rsync://[::1]:$p1/files/" back/
diff -r source back && echo pulled
rsync "rsync://[::1]:$p1/none/" 2>&1 | head -n 1 || :
