package programs

import (
	"fmt"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/world"
)

var serverRows = []Row{
	{"nginx", []string{"nginx", "curl"}, runNginx},
	{"python3-http.server", []string{"python3", "curl"}, runPythonServer},
	{"node-server", []string{"node", "curl"}, runNodeServer},
	{"go-server", []string{"curl"}, runGoServer},
	{"redis", []string{"redis-server", "redis-cli", "redis-benchmark"}, runRedis},
}

// wantServed asks the program's published port for a page from outside, over
// both families, and ends the program. The first answer is waited for: netbox
// accepts on the published port before the program listens, and resets what
// comes too early.
func (s *Site) wantServed(t *testing.T, port uint16, page string, args ...string) {
	t.Helper()
	server := s.start(t, tcp(port), args...)
	for _, f := range s.families() {
		fetch := []string{"curl", "-sS", "-f", "http://" + f.nearPort(port) + "/page.html"}
		if !bed.Eventually(10*time.Second, func() bool { return s.outside(t, fetch...).Code == 0 }) {
			t.Errorf("never served: %v", fetch)
		}
		for range 3 {
			s.wantOutside(t, contains(page), fetch...)
		}
	}
	server.Stop(t, 10*time.Second)
}

func runNginx(t *testing.T, s *Site) {
	port := freePort()
	root := s.folder(t, "nginx")
	user := "" // nginx's own default
	if world.InUserNamespace() {
		user = "user root;" // there is no other
	}
	s.file(t, "nginx/page.html", "page by nginx\n", 0o644)
	config := s.file(t, "nginx.conf", fmt.Sprintf(`%[3]s
daemon off;
worker_processes 2;
pid %[1]s/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen 0.0.0.0:%[2]d;
		listen [::]:%[2]d;
		root %[1]s;
	}
}
`, root, port, user), 0o644)
	s.wantServed(t, port, "page by nginx", "nginx", "-e", "stderr", "-c", config)
}

func runPythonServer(t *testing.T, s *Site) {
	port := freePort()
	root := s.folder(t, "python")
	s.file(t, "python/page.html", "page by python\n", 0o644)
	s.wantServed(t, port, "page by python", "/usr/bin/python3", "-m", "http.server", "--bind", "::", "--directory", root, fmt.Sprint(port))
}

func runNodeServer(t *testing.T, s *Site) {
	port := freePort()
	const script = "require('http').createServer((q, r) => r.end('page by node\\n')).listen(+process.argv[1])"
	s.wantServed(t, port, "page by node", "node", "-e", script, fmt.Sprint(port))
}

func runGoServer(t *testing.T, s *Site) {
	port := freePort()
	s.wantServed(t, port, "greetings from go", goProgram(t, s, "web"), "serve", fmt.Sprintf(":%d", port))
}

// runRedis runs server and benchmark in one sandbox, over its own loopback.
func runRedis(t *testing.T, s *Site) {
	const script = `
redis-server --port %[1]d --bind 127.0.0.1 ::1 --save '' --dir %[2]s --logfile %[2]s/redis.log &
for i in $(seq 100); do
	redis-cli -p %[1]d ping 2>/dev/null | grep -q PONG && break
	sleep 0.1
done
redis-cli -h ::1 -p %[1]d set key value
redis-cli -p %[1]d get key
redis-benchmark -p %[1]d -q -n 5000 -c 50 -t set,get
redis-benchmark -p %[1]d -q -n 20000 -c 20 -P 16 -t incr
redis-cli -p %[1]d shutdown nosave
wait
`
	done := func(out string) bool {
		for _, part := range []string{"OK\n", "value\n", "SET: ", "GET: ", "INCR: ", "requests per second"} {
			if !contains(part)(out) {
				return false
			}
		}
		return true
	}
	s.shell(t, done, script, freePort(), s.folder(t, "redis"))
}
