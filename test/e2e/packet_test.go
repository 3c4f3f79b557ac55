package e2e

import (
	"regexp"
	"strings"
	"testing"

	"netbox/test/bed"
	"netbox/test/world"
)

// capture runs tcpdump with $1 on an interface with the filter, makes some
// traffic once tcpdump listens, and prints what it saw.
const capture = `
tcpdump -n -U -w capture.pcap $1 2>log & dump=$!
for i in $(seq 600); do grep -q 'listening on' log && break; sleep 0.05; done
ping -q -c 2 -i 0.2 127.0.0.1 >/dev/null
ping -q -c 2 -i 0.2 8.8.8.8 >/dev/null
curl -sS http://example.test/ >/dev/null
for i in $(seq 600); do
	[ "$(tcpdump -n -r capture.pcap 2>/dev/null | grep -c "$2")" -ge "$3" ] && break
	sleep 0.05
done
kill -INT $dump; wait $dump; echo "exit $?"
cat log >&2
tcpdump -n -v -r capture.pcap
`

// TestTcpdump: the sandbox's packets, on each interface and with filters in
// "kernel" and program, and no others.
func TestTcpdump(t *testing.T) {
	bed.Need(t, "tcpdump")
	for _, u := range []bed.User{bed.Privileged(), bed.Nobody()} {
		for _, row := range []struct {
			arguments, wait string
			count           string
			want            []string
			not             string
		}{
			{"-i lo", "ICMP", "4", []string{`127\.0\.0\.1 > 127\.0\.0\.1: ICMP echo request`, `127\.0\.0\.1: ICMP echo reply`}, `8\.8\.8\.8`},
			{"-i eth0 icmp", "ICMP", "4", []string{`10\.0\.2\.100 > 8\.8\.8\.8: ICMP echo request`, `8\.8\.8\.8 > 10\.0\.2\.100: ICMP echo reply`}, `127\.0\.0\.1|Flags`},
			{"-i eth0 tcp port 80", "Flags .F", "2", []string{`Flags \[S\], cksum 0x[0-9a-f]+ \(correct\)`, `Flags \[S\.\]`, `GET / HTTP/1\.1`, `Flags \[F\.\]`}, `ICMP|incorrect`},
			{"-i any icmp", "ICMP", "8", []string{`lo +In .*127\.0\.0\.1: ICMP|lo.*In`, `eth0.*Out`, `8\.8\.8\.8 > 10\.0\.2\.100: ICMP echo reply`}, `Flags`},
		} {
			t.Run(u.Name+" "+row.arguments, func(t *testing.T) {
				arguments := row.arguments
				if u.Prefix == nil { // or it becomes another user
					arguments = "-Z root " + arguments
				}
				if u.Prefix == nil && world.InUserNamespace() {
					world.Skip(t, "tcpdump as uid 0 calls setgroups(2), also to stay it: EPERM in a user namespace of one uid")
				}
				r := runSim(t, u, "sh", "-c", capture, "sh", arguments, row.wait, row.count)
				if !strings.Contains(r.Out, "exit 0\n") || !strings.Contains(r.Err, "0 packets dropped by kernel") {
					t.Errorf("the capture failed: %s", r.Output())
				}
				for _, want := range row.want {
					if !regexp.MustCompile(want).MatchString(r.Out) {
						t.Errorf("no %q: %s", want, r.Output())
					}
				}
				if regexp.MustCompile(row.not).MatchString(r.Out) {
					t.Errorf("%q: %s", row.not, r.Output())
				}
			})
		}
	}
}

// TestPacketTools: programs that make packets by hand, or look for them on the
// link.
func TestPacketTools(t *testing.T) {
	rows := []struct {
		args []string
		code int
		want string
		root bool
	}{
		{[]string{"arping", "-c", "2", "-i", "eth0", "10.0.2.2"}, 0, "02:00:0a:00:02:02 (10.0.2.2)", false},
		{[]string{"arping", "-c", "1", "-w", "1", "-i", "eth0", "10.0.2.77"}, 1, "1 packets transmitted, 0 packets received", false},
		{[]string{"hping3", "-c", "2", "-S", "-p", "80", "example.test"}, 0, "flags=SA", false},
		{[]string{"hping3", "-c", "2", "-S", "-p", "80", "refused.test"}, 0, "flags=RA", false},
		{[]string{"hping3", "-c", "2", "-2", "-p", "9", "refused.test"}, 0, "ICMP Port Unreachable", false},
		{[]string{"hping3", "-c", "2", "-1", "8.8.8.8"}, 0, "icmp_seq=1", false},
		{[]string{"traceroute", "-n", "-T", "-p", "80", "example.test"}, 0, "192.0.2.80 ", false},
		{[]string{"mtr", "-n", "-r", "-c", "2", "8.8.8.8"}, 0, "8.8.8.8", false},
		// nmap asks for root before it asks for a socket.
		{[]string{"nmap", "-n", "-sn", "10.0.2.2", "10.0.2.77"}, 0, "MAC Address: 02:00:0A:00:02:02", true},
		{[]string{"nmap", "-n", "-sn", "192.0.2.80", "8.8.8.8"}, 0, "2 hosts up", true},
		{[]string{"nmap", "-n", "-sS", "-p", "79-81", "192.0.2.80"}, 0, "80/tcp open ", true},
		{[]string{"nmap", "-n", "-sT", "-p", "79-81", "192.0.2.80"}, 0, "80/tcp open ", false},
	}
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		t.Run(u.Name, func(t *testing.T) {
			for _, row := range rows {
				if row.root && (u.UID != 0 || len(u.Prefix) > 0) {
					continue
				}
				t.Run(strings.Join(row.args, " "), func(t *testing.T) {
					bed.Need(t, row.args[0])
					r := runSim(t, u, row.args...)
					if r.Code != row.code || !strings.Contains(r.Out, row.want) && !strings.Contains(r.Err, row.want) {
						t.Errorf("want exit %d and %q: %s", row.code, row.want, r.Output())
					}
				})
			}
		})
	}
}
