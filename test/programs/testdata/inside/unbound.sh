# unbound answers a zone of its own, and forwards the rest to the resolver of
# resolv.conf.
. "${0%/*}/lib.sh"
resolver=$(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)
cat >unbound.conf <<X
server:
	interface: 127.0.0.1
	interface: ::1
	port: $p1
	username: ""
	chroot: ""
	directory: "$dir"
	pidfile: "$dir/pid"
	do-daemonize: no
	use-syslog: no
	num-threads: 2
	do-not-query-localhost: no
	module-config: "iterator"
	domain-insecure: "test"
	local-zone: "here.test." static
	local-data: "www.here.test. 300 IN A 192.0.2.77"
	local-data: "www.here.test. 300 IN AAAA 2001:db8::77"
	local-data: 'long.here.test. 300 IN TXT "$(seq -s ' ' 80)" "$(seq -s ' ' 80)" "$(seq -s ' ' 80)"'
	local-zone: "test." nodefault
	access-control: 127.0.0.0/8 allow
	access-control: ::1 allow
remote-control:
	control-enable: no
forward-zone:
	name: "."
	forward-addr: $resolver
X
serve unbound /usr/sbin/unbound -d -p -c "$dir/unbound.conf"
ask() { dig +short +tries=2 +time=5 -p "$p1" "$@"; }
eventually ask @127.0.0.1 www.here.test
ask @127.0.0.1 www.here.test
ask @::1 www.here.test AAAA
ask +tcp @127.0.0.1 www.here.test
dig -p "$p1" +noedns +ignore @::1 long.here.test TXT | grep -o 'flags: .* tc'
ask +noedns @::1 long.here.test TXT | wc -c
dig -p "$p1" @127.0.0.1 none.here.test | grep -o NXDOMAIN
test -n "$(ask @127.0.0.1 "$far")" && echo forwarded
