# Configures the network that it runs in, and shows what came of it.
PATH=$PATH:/usr/sbin:/sbin
show() { echo "== $1"; shift; "$@" 2>&1; echo "exit $?"; }

# A subscriber hears what follows.
ip monitor address link route > monitor.txt &
monitor=$!
until grep -q 'inet 10\.99\.0\.1/24' monitor.txt; do
    ip addr add 10.99.0.1/24 dev eth0
    sleep 0.1
    ip addr del 10.99.0.1/24 dev eth0
done 2>/dev/null

ip addr add 10.0.2.101/24 brd + dev eth0
show "the same address" ip addr add 10.0.2.101/24 dev eth0
show "address" ip -br -4 addr show dev eth0
show "source of the new address" python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.2.101", 0))
s.connect(("8.8.8.8", 53))
print(s.getsockname()[0])'
ip addr add fd00:2::65/64 dev eth0
show "IPv6 address" ip -br -6 addr show dev eth0
ip addr del 10.0.2.101/24 dev eth0
show "bind to an address that is gone" python3 -c 'import socket; socket.socket().bind(("10.0.2.101", 0))'

ip route add 198.51.100.0/24 via 10.0.2.2 metric 5
ip route replace 198.51.100.0/24 via 10.0.2.2 metric 5 mtu 1400
show "routes" ip route
show "way" ip route get 198.51.100.1
ip route del 198.51.100.0/24
ip route add blackhole 192.0.2.0/24
ip route add prohibit 203.0.113.0/24
ip -6 route add unreachable 2001:db8::/32
for host in 192.0.2.80 203.0.113.1 2001:db8::80; do
    show "connect to $host" python3 -c '
import errno, socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_STREAM)
print(errno.errorcode.get(s.connect_ex((sys.argv[1], 80))))' $host
done
ip route flush type blackhole
ip -6 route flush type unreachable
show "connect again" curl -sS -o /dev/null -w '%{http_code}\n' http://192.0.2.80/
show "no such gateway" ip route add 198.51.100.0/24 via 99.0.0.1

ip link set eth0 mtu 1400
show "link" ip link show dev eth0
ip link set eth0 down
show "down" ping -c 1 -W 1 8.8.8.8
ip link set eth0 up
show "no default route" ping -c 1 -W 1 8.8.8.8
ip route add default via 10.0.2.2
show "up" ping -c 1 -W 5 8.8.8.8

ip link add dummy0 type dummy
ip link set dummy0 up
ip addr add 192.168.9.1/24 dev dummy0
show "dummy" ip -br -4 addr show dev dummy0
show "its address" ping -c 1 -W 5 192.168.9.1
ip link del dummy0
show "no dummy" ip link show dev dummy0
show "veth" ip link add v0 type veth
show "eth0 stays" ip link del eth0
kill $monitor
wait $monitor 2>/dev/null
show "monitor" cat monitor.txt
