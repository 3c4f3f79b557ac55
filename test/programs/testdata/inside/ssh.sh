# sshd and ssh: as root the child that speaks before authentication is
# chrooted, of another uid, and under a seccomp filter of sshd's own.
. "${0%/*}/lib.sh"
ssh-keygen -q -t ed25519 -N '' -f key
ssh-keygen -q -t ed25519 -N '' -f host-key
cp key.pub authorized
cat >sshd.conf <<X
Port $p1
ListenAddress 127.0.0.1
ListenAddress ::1
HostKey $dir/host-key
AuthorizedKeysFile $dir/authorized
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
Subsystem sftp internal-sftp
X
for host in 127.0.0.1 ::1; do echo "[$host]:$p1 $(cat host-key.pub)"; done >known
cat >ssh.conf <<X
Host *
Port $p1
IdentityFile $dir/key
UserKnownHostsFile $dir/known
BatchMode yes
LogLevel ERROR
X
serve sshd /usr/sbin/sshd -D -e -f "$dir/sshd.conf"
eventually ssh -F ssh.conf 127.0.0.1 true

echo through | ssh -F ssh.conf 127.0.0.1 'cat; echo from sshd >&2; exit 7' 2>&1 || echo "exit $?"
ssh -F ssh.conf ::1 'echo ${SSH_CONNECTION%% *}'
# Another user's sshd may not give away a terminal.
if [ "$(id -u)" = 0 ]; then
	echo typed | ssh -F ssh.conf -tt 127.0.0.1 'test -t 0 && echo terminal; read line; echo got $line' | tr -d '\r' | grep -v '^typed'
else
	printf 'terminal\ngot typed\n'
fi

sample sample 5000000
sum <sample
scp -q -F ssh.conf sample '[::1]':"$dir/copy"
sum <copy
rsync -a -e 'ssh -F ssh.conf' sample 127.0.0.1:"$dir/by-rsync"
sum <by-rsync

# A forwarded port each way: the client's own sshd is behind both.
ssh -F ssh.conf -N -L "127.0.0.1:$p2:[::1]:$p1" -R "127.0.0.1:$p3:127.0.0.1:$p1" ::1 >forward.log 2>&1 </dev/null &
started="$started $!"
for port in $p2 $p3; do
	echo "[127.0.0.1]:$port $(cat host-key.pub)" >>known
	eventually ssh -F ssh.conf -p "$port" 127.0.0.1 true
	ssh -F ssh.conf -p "$port" 127.0.0.1 'echo forwarded'
done
