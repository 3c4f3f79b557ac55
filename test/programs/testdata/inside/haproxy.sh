# haproxy in its HTTP and TCP modes, with health checks and its master process.
. "${0%/*}/lib.sh"
mkdir root
echo page >root/page.html
sample root/large 3000000
cat >haproxy.cfg <<X
global
	stats socket $dir/admin
	maxconn 500
defaults
	timeout connect 10s
	timeout client 60s
	timeout server 60s
	timeout check 20s
frontend http
	mode http
	bind 127.0.0.1:$p1 defer-accept
	bind [::1]:$p1 v6only
	default_backend pages
backend pages
	mode http
	option httpchk GET /page.html
	server one 127.0.0.1:$p3 check inter 500ms fall 1000
	server gone 127.0.0.1:$p4 check inter 500ms
listen relay
	mode tcp
	option splice-auto
	bind 127.0.0.1:$p2
	server one 127.0.0.1:$p3
X
serve python /usr/bin/python3 -m http.server --bind 127.0.0.1 --directory root "$p3"
eventually listening "$p3"
serve haproxy haproxy -W -db -f haproxy.cfg
state() { echo 'show stat' | nc -N -U admin | cut -d , -f 1,2,18 | grep -x "$1"; }
eventually state pages,one,UP
eventually state pages,gone,DOWN
for host in 127.0.0.1 '[::1]'; do
	for i in 1 2 3 4; do curl -sS "http://$host:$p1/page.html"; done
done
sum <root/large
curl -sS "http://127.0.0.1:$p1/large" | sum
curl -sS "http://127.0.0.1:$p2/large" | sum
ab -q -n 100 -c 10 "http://127.0.0.1:$p2/page.html" | grep -E 'Complete requests|Failed requests' | tr -s ' '
