package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// nginxConf serves one short answer from memory. It stays root, which may be the
// only user of a user namespace (scripts/contained).
const nginxConf = `daemon off;
user root root;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr crit;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path %[1]s;
	proxy_temp_path %[1]s;
	fastcgi_temp_path %[1]s;
	uwsgi_temp_path %[1]s;
	scgi_temp_path %[1]s;
	keepalive_requests 100000000;
	server {
		listen %[2]d;
		location / { return 200 "It works\n"; }
	}
}
`

// startServices starts those of nginx and redis that are installed; without
// one, its row is left out.
func (b *bench) startServices() error {
	var err error
	if missing([]string{"nginx"}) == "" {
		b.http, err = freePort()
		if err != nil {
			return err
		}
		conf := filepath.Join(b.dir, "nginx.conf")
		err = os.WriteFile(conf, fmt.Appendf(nil, nginxConf, b.dir, b.http), 0o644)
		if err == nil {
			err = b.service(b.http, "nginx", "-c", conf)
		}
		if err != nil {
			return err
		}
	}
	if missing([]string{"redis-server"}) == "" {
		b.redis, err = freePort()
		if err == nil {
			err = b.service(b.redis, "redis-server", "--port", strconv.Itoa(b.redis), "--bind", "0.0.0.0",
				"--protected-mode", "no", "--save", "", "--dir", b.dir, "--logfile", "/dev/null")
		}
	}
	return err
}

// serviceWait is much more than a server's start takes.
const serviceWait = 10 * time.Second

// service starts a server and waits until its port answers.
func (b *bench) service(port int, command ...string) error {
	p, err := start(command...)
	if err != nil {
		return err
	}
	b.processes = append(b.processes, p)
	for begin := time.Now(); time.Since(begin) < serviceWait; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			c.Close()
			return nil
		}
	}
	return fmt.Errorf("%v: no answer on port %d", command, port)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// prepareProxy makes what proxychains4 needs: a proxy, and a file that names it.
func (b *bench) prepareProxy() error {
	port, err := serveSocks()
	if err != nil {
		return err
	}
	b.proxies = filepath.Join(b.dir, "proxychains.conf")
	conf := fmt.Sprintf("strict_chain\nquiet_mode\n[ProxyList]\nsocks5 127.0.0.1 %d\n", port)
	return os.WriteFile(b.proxies, []byte(conf), 0o644)
}

// templateLink is a link whose other end nobody reads. pasta takes it for the way
// out, and does not start without one.
const templateLink = "bench0"

func makeTemplate() error {
	if missing([]string{"ip"}) != "" {
		return nil // and so are the peers that need it
	}
	for _, args := range [][]string{
		{"link", "add", templateLink, "type", "veth", "peer", "name", "bench1"},
		{"address", "add", "192.0.2.2/24", "dev", templateLink},
		{"link", "set", templateLink, "up"},
		{"link", "set", "bench1", "up"},
		{"route", "add", "default", "via", "192.0.2.1"},
	} {
		text, err := exec.Command("ip", args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, text)
		}
	}
	return nil
}
