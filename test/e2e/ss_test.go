package e2e

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"netbox/test/bed"
)

// ssAnswer is what one call of ss(8) printed.
type ssAnswer struct {
	lines []string // single spaces
	end   string   // "exit CODE stderr TEXT"
}

// ssAnswers takes the output of testdata/sockets.py apart.
func ssAnswers(out string) map[string]ssAnswer {
	answers := map[string]ssAnswer{}
	for _, part := range strings.Split(out, "== ")[1:] {
		lines := strings.Split(strings.TrimSpace(part), "\n")
		arguments, end, _ := strings.Cut(lines[0], " exit ")
		a := ssAnswer{end: end}
		for _, l := range lines[1:] {
			a.lines = append(a.lines, strings.Join(strings.Fields(l), " "))
		}
		answers[arguments] = a
	}
	return answers
}

// hostListeners are sockets on the loopback that the test runs on: what
// ss must not show.
func hostListeners(t *testing.T) []string {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close(); udp.Close() })
	return []string{portOf(tcp.Addr()), portOf(udp.LocalAddr())}
}

func portOf(a net.Addr) string {
	_, p, _ := net.SplitHostPort(a.String())
	return p
}

// ssWants are regular expressions that match the lines of an answer: all of
// them, in any order.
var ssWants = map[string][]string{
	"-Htlnp": {
		`^LISTEN 0 5 127\.0\.0\.1:8000 0\.0\.0\.0:\* users:\(\("python3",pid=\d+,fd=\d+\)\)$`,
		`^LISTEN 1 9 \*:8001 \*:\* users:\(\("python3",pid=\d+,fd=\d+\)\)$`,
	},
	"-Htan": {
		`^LISTEN 0 5 127\.0\.0\.1:8000 `, `^LISTEN 1 9 \*:8001 `,
		`^ESTAB 0 0 127\.0\.0\.1:9000 127\.0\.0\.1:8000$`, `^ESTAB 0 0 127\.0\.0\.1:8000 127\.0\.0\.1:9000$`,
		`^ESTAB 0 0 127\.0\.0\.1:9001 127\.0\.0\.1:8001$`, `^ESTAB 0 0 \[::ffff:127\.0\.0\.1\]:8001 \[::ffff:127\.0\.0\.1\]:9001$`,
		`^FIN-WAIT-2 0 0 127\.0\.0\.1:9002 127\.0\.0\.1:8000$`, `^CLOSE-WAIT 1 0 127\.0\.0\.1:8000 127\.0\.0\.1:9002$`,
		`^SYN-SENT 0 1 10\.0\.2\.100:9003 192\.0\.2\.\d+:81$`,
	},
	"-Huan":               {`^UNCONN 0 0 0\.0\.0\.0:5000 0\.0\.0\.0:\*$`, `^ESTAB 0 0 10\.0\.2\.100:5001 8\.8\.8\.8:53$`},
	"-Hwan":               {`^UNCONN 0 0 0\.0\.0\.0:1 0\.0\.0\.0:\*$`},
	"-Hxa":                {},
	"-H0a":                {},
	"-Ha -A netlink":      {},
	"-Htan sport = :8000": {`^LISTEN .*:8000 `, `:8000 127\.0\.0\.1:9000$`, `:8000 127\.0\.0\.1:9002$`},
	"-Htan dport = :8000 or dst 192.0.2.0/24": {`:9000 127\.0\.0\.1:8000$`, `:9002 127\.0\.0\.1:8000$`, `^SYN-SENT `},
	"-Htan state listening":                   {`:8000 `, `:8001 `},
}

// ssShows are what must be somewhere in an answer.
var ssShows = map[string]string{
	"-Htin": `cubic .*rtt:`, "-Hn": `udp ESTAB`, "-Hna": `tcp LISTEN`, "-Hte": `ino:\d+ sk:`, "-Htmn": `skmem:\(`, "-s": `^Total`,
}

// TestSS: ss(8) shows the sockets of the sandbox, all of them and no others.
func TestSS(t *testing.T) {
	bed.Need(t, "ss")
	bed.Need(t, "python3")
	script := testdata(t, "sockets.py")
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		t.Run(u.Name, func(t *testing.T) {
			strangers := hostListeners(t)
			r := runSim(t, u, "python3", script)
			answers := ssAnswers(r.Out)
			for arguments, wants := range ssWants {
				if bad := unmatched(answers[arguments].lines, wants); bad != "" {
					t.Errorf("ss %s: %s", arguments, bad)
				}
			}
			for arguments, want := range ssShows {
				if !regexp.MustCompile(want).MatchString(strings.Join(answers[arguments].lines, "\n")) {
					t.Errorf("ss %s lacks %q: %q", arguments, want, answers[arguments].lines)
				}
			}
			for arguments, a := range answers {
				if a.end != "0 stderr ''" {
					t.Errorf("ss %s: exit %s", arguments, a.end)
				}
				for _, p := range strangers {
					if arguments != "-s" && strings.Contains(strings.Join(a.lines, "\n"), ":"+p+" ") {
						t.Errorf("ss %s shows the host's port %s", arguments, p)
					}
				}
			}
			if n := strings.Count(strings.Join(answers["-Htlnmi src 127.0.0.1 and sport >= :10000"].lines, "\n"), "LISTEN"); n != 500 {
				t.Errorf("%d of 500 sockets", n)
			}
			if t.Failed() {
				t.Log(r.Output())
			}
		})
	}
}

// unmatched says what does not match; empty if each line matches one of wants,
// and each of them one line.
func unmatched(lines, wants []string) string {
	if len(lines) != len(wants) {
		return fmt.Sprintf("%d lines, want %d: %q", len(lines), len(wants), lines)
	}
	for _, want := range wants {
		n := 0
		for _, l := range lines {
			if regexp.MustCompile(want).MatchString(l) {
				n++
			}
		}
		if n != 1 {
			return fmt.Sprintf("%d lines match %q: %q", n, want, lines)
		}
	}
	return ""
}
