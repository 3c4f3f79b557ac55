# nginx before nginx: two workers, connections kept alive to the upstream,
# request bodies, and ab and wrk as load.
. "${0%/*}/lib.sh"
mkdir root tmp
sample root/large 3000000
echo small >root/small
me=$(test "$(id -u)" != 0 || echo 'user root;')
cat >nginx.conf <<X
$me
daemon off;
worker_processes 2;
pid $dir/nginx.pid;
error_log stderr;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path $dir/tmp/body;
	proxy_temp_path $dir/tmp/proxy;
	fastcgi_temp_path $dir/tmp/fastcgi;
	uwsgi_temp_path $dir/tmp/uwsgi;
	scgi_temp_path $dir/tmp/scgi;
	sendfile on;
	tcp_nopush on;
	upstream origin {
		server 127.0.0.1:$p2;
		server [::1]:$p2;
		keepalive 8;
	}
	server {
		listen 127.0.0.1:$p1 reuseport;
		client_max_body_size 10m;
		location / {
			proxy_pass http://origin;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
		}
		location /gone { proxy_pass http://127.0.0.1:$p3; }
	}
	server {
		listen 127.0.0.1:$p2 deferred;
		listen [::1]:$p2;
		root $dir/root;
		dav_methods PUT;
		client_max_body_size 10m;
	}
}
X
serve nginx nginx -e stderr -c "$dir/nginx.conf"
url=http://127.0.0.1:$p1
eventually curl -sf "$url/small"
for i in 1 2 3; do curl -sS "$url/small"; done
sum <root/large
curl -sS "$url/large" | sum
curl -sS -r 1000000-1000009 "$url/large"
echo
curl -sS -o /dev/null -w '%{http_code}\n' -T root/large "$url/put"
sum <root/put
curl -sS -o /dev/null -w '%{http_code}\n' "$url/gone"
ab -q -k -n 2000 -c 20 "$url/small" >ab.txt
grep -E 'Complete requests|Failed requests|Non-2xx|Keep-Alive requests' ab.txt | tr -s ' '
ab -q -n 500 -c 20 "$url/small" >ab.txt
grep -E 'Complete requests|Failed requests|Non-2xx' ab.txt | tr -s ' '
wrk --timeout 60s -t 2 -c 30 -d 1s "$url/small" >wrk.txt
grep -q 'Requests/sec: *[1-9]' wrk.txt && echo load
grep -E 'Socket errors|Non-2xx' wrk.txt || :
