package programs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netbox/test/bed"
	"netbox/test/world"
)

// Inside are the programs that talk to each other within one sandbox, over its
// loopback: a script of testdata/inside runs servers and clients, and prints
// what the file beside it, with the ending .out, has. Each has a folder and
// ports of its own, so that they may run at the same time.
func Inside() []Row {
	var rows []Row
	for _, script := range []struct {
		file  string
		needs string
	}{
		{"ssh.sh", "sshd ssh ssh-keygen scp rsync"},
		{"rsync.sh", "rsync"},
		{"git-daemon.sh", "git python3"},
		{"telnet.sh", "telnet socat python3"},
		{"postgres.sh", postgres + " psql pgbench"},
		{"memcached.sh", "memcached nc python3"},
		{"mosquitto.sh", "mosquitto mosquitto_sub mosquitto_pub"},
		{"unbound.sh", "unbound dig"},
		{"nginx-proxy.sh", "nginx curl ab wrk"},
		{"haproxy.sh", "haproxy nc curl ab python3"},
		{"openssl.sh", "openssl python3"},
		{"busybox.sh", "busybox"},
		{"python-asyncio.py", "python3 openssl"},
		{"node.js", "node"},
		{"perl.pl", "perl"},
		{"ruby.rb", "ruby"},
		{"epoll.c", ""},
	} {
		rows = append(rows, Row{script.file, strings.Fields(script.needs), func(t *testing.T, s *Site) { s.runInside(t, script.file) }})
	}
	return rows
}

// postgres is no command of the PATH in Debian: every version has a folder.
const postgres = "/usr/lib/postgresql/*/bin/postgres"

// refusedOneUID are the scripts whose programs, run as uid 0, ask for what Linux
// refuses in a user namespace of one uid.
var refusedOneUID = map[string]string{
	"rsync.sh":    "rsync's daemon as uid 0 calls setgroups(2): EPERM in a user namespace of one uid",
	"ssh.sh":      "sshd as uid 0 calls setgroups(2): EPERM in a user namespace of one uid",
	"postgres.sh": "the server refuses uid 0, and becomes another with setresuid(2): EINVAL in a user namespace of one uid",
}

// runInside runs the script, in a folder that any user may enter: the
// repository may not be.
func (s *Site) runInside(t *testing.T, file string) {
	if why, refused := refusedOneUID[file]; refused && world.InUserNamespace() && s.User.Prefix == nil {
		world.Skip(t, "%s", why)
	}
	folder := filepath.Join(bed.Root(), "test/programs/testdata/inside")
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	path := s.file(t, file, read(file), 0o644)
	var line []string
	switch filepath.Ext(file) {
	case ".sh":
		s.file(t, "lib.sh", read("lib.sh"), 0o644)
		line = []string{"sh", "-eu", path}
	case ".py":
		line = []string{"/usr/bin/python3", path}
	case ".js":
		line = []string{"node", path}
	case ".pl":
		line = []string{"perl", path}
	case ".rb":
		line = []string{"ruby", path}
	case ".c":
		line = []string{filepath.Join(s.Dir, "program")}
		if err := bed.CBuild("gcc", line[0], path); err != nil {
			t.Fatal(err)
		}
	}
	line = append(line, s.folder(t, "run"), s.FarName)
	for range 4 {
		line = append(line, fmt.Sprint(freePort()))
	}
	want := read(strings.TrimSuffix(file, filepath.Ext(file)) + ".out")
	s.want(t, func(out string) bool { return out == want }, line...)
}

// SetAccounts gives a host accounts of the test's making, and sshd's folder:
// on the machine root may be locked, and nobody have no shell.
func SetAccounts(t *testing.T, host *world.Namespace) {
	t.Helper()
	for path, content := range map[string]string{
		"/etc/passwd": "root:x:0:0::/:/bin/sh\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/bin/sh\n",
		"/etc/shadow": "root:*:1::::::\nsshd:*:1::::::\nnobody:*:1::::::\n",
	} {
		if err := host.SetFile(path, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := host.Run("sh", "-ec", "mount -t tmpfs tmpfs /run; mkdir -m 755 /run/sshd"); err != nil {
		t.Fatal(err)
	}
}
