package e2e

import (
	"regexp"
	"strings"
	"testing"

	"netbox/test/bed"
)

// procShows are what programs must print that read /proc/net: regular
// expressions for some line of it.
var procShows = map[string][]string{
	"netstat -tanp": {
		`^tcp 0 0 127\.0\.0\.1:8000 0\.0\.0\.0:\* LISTEN \d+/python3$`,
		`^tcp 0 0 127\.0\.0\.1:\d+ 127\.0\.0\.1:8000 ESTABLISHED \d+/python3$`,
	},
	"netstat -uanp": {`^udp 0 0 127\.0\.0\.1:5000 0\.0\.0\.0:\* \d+/python3$`},
	"netstat -rn":   {`^0\.0\.0\.0 10\.0\.2\.2 0\.0\.0\.0 UG .* eth0$`, `^10\.0\.2\.0 0\.0\.0\.0 255\.255\.255\.0 U .* eth0$`},
	"netstat -in":   {`^eth0 65520 .* BMRU$`, `^lo 65536 .* LRU$`},
	"netstat -gn":   {`^eth0 1 .*224\.0\.0\.1$`, `^lo 1 ff02::1$`},
	"route -n":      {`^0\.0\.0\.0 10\.0\.2\.2 0\.0\.0\.0 UG 0 0 0 eth0$`},
	"arp -an":       nil,
	"ifconfig -a":   {`^eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST> mtu 65520$`, `inet6 fd00:2::64 prefixlen 64`},
	"lsof -nP -i":   {`^python3 .* TCP 127\.0\.0\.1:8000 \(LISTEN\)$`, `^python3 .* UDP 127\.0\.0\.1:5000$`},
	"ss -s":         {`^TCP: 3 \(estab 2, closed 0, orphaned 0, timewait 0\)$`, `^UDP 1 1 0$`},
	"ip maddr":      {`^link 01:00:5e:00:00:01$`, `^inet 224\.0\.0\.1$`, `^inet6 ff02::1:ff00:64$`},
	"sysctl net.ipv4.ping_group_range net.core.somaxconn": {`^net\.ipv4\.ping_group_range = 0 2147483647$`, `^net\.core\.somaxconn = 4096$`},
}

// notRoot is what netstat -p says to an ordinary user.
const notRoot = "0 stderr '(Not all processes could be identified, non-owned process info"

// TestProcFiles: /proc/net, /proc/sys/net and /sys/class/net are the sandbox's,
// however a program opens them.
func TestProcFiles(t *testing.T) {
	for _, program := range []string{"python3", "netstat", "lsof", "ss"} {
		bed.Need(t, program)
	}
	script := testdata(t, "procfiles.py")
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		t.Run(u.Name, func(t *testing.T) {
			stranger := hostListeners(t)[0]
			r := runSim(t, u, "python3", script, stranger)
			if files, _, _ := strings.Cut(r.Out, "== "); files != "" || r.Code != 0 {
				t.Error(files)
			}
			answers := ssAnswers(r.Out)
			for command, wants := range procShows {
				a, ok := answers[command]
				if !ok || a.end != "0 stderr ''" && !(strings.HasPrefix(command, "netstat") && strings.Contains(a.end, notRoot)) {
					t.Errorf("%s: exit %q", command, a.end)
				}
				for _, want := range wants {
					if !matchesLine(want, a.lines) {
						t.Errorf("%s lacks %q: %q", command, want, a.lines)
					}
				}
				if strings.Contains(strings.Join(a.lines, "\n"), ":"+stranger+" ") {
					t.Errorf("%s shows the host's port %s", command, stranger)
				}
			}
			if t.Failed() {
				t.Log(r.Output())
			}
		})
	}
}

func matchesLine(want string, lines []string) bool {
	re := regexp.MustCompile(want)
	for _, l := range lines {
		if re.MatchString(l) {
			return true
		}
	}
	return false
}
