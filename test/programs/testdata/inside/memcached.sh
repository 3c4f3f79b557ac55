# memcached over TCP and UDP.
. "${0%/*}/lib.sh"
serve memcached memcached -u "$(id -un)" -l 127.0.0.1,::1 -p "$p1" -U "$p1" -t 2
eventually listening "$p1"
printf 'set key 0 0 5\r\nvalue\r\nget key\r\nincr none 1\r\nquit\r\n' | nc -N 127.0.0.1 "$p1" | tr -d '\r'
/usr/bin/python3 - "$p1" <<'X'
import socket, sys
port = int(sys.argv[1])
s = socket.create_connection(("::1", port))
f = s.makefile("rwb")
large = b"x" * 900000
f.write(b"set large 0 0 %d\r\n%s\r\n" % (len(large), large))
for i in range(2000):
    f.write(b"set k%d 0 0 4 noreply\r\nabcd\r\n" % i)
f.write(b"get large\r\n")
f.flush()
print(f.readline(), f.readline()[:18])
print(f.read(len(large)) == large, f.readline(), f.readline())
f.write(b"get " + b" ".join(b"k%d" % i for i in range(0, 2000, 100)) + b"\r\n")
f.flush()
print(sum(f.readline().startswith(b"VALUE") + len(f.readline()) * 0 for i in range(20)), f.readline())
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(20)
u.sendto(b"\0\7\0\0\0\1\0\0get key\r\n", ("127.0.0.1", port))
answer, source = u.recvfrom(1500)
print(answer, source[0])
X
