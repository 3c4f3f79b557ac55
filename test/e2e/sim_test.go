package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
)

// runSim runs args on the simulated internet, without any namespace.
func runSim(t *testing.T, u bed.User, args ...string) bed.Result {
	t.Helper()
	u.Need(t)
	b := bed.Build(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir := scratch(t)
	line := append(append([]string{}, u.Prefix...), b.Netbox, "run", "--uplink", "sim", "--")
	cmd := command(ctx, dir, append(line, args...)...)
	return bed.Run(t, cmd)
}

// TestSim is netbox's main path where the machine allows nothing else.
func TestSim(t *testing.T) {
	rows := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"ping", "-c", "2", "-i", "0.2", "8.8.8.8"}, 0, "2 received, 0% packet loss"},
		{[]string{"ping", "-6", "-c", "2", "-i", "0.2", "2001:4860:4860::8888"}, 0, "2 received, 0% packet loss"},
		{[]string{"ping", "-c", "1", "example.test"}, 0, "1 received, 0% packet loss"},
		{[]string{"ping", "-c", "1", "-W", "1", "blackhole.test"}, 1, "0 received, 100% packet loss"},
		{[]string{"fping", "-r", "0", "8.8.8.8", "1.1.1.1"}, 0, "1.1.1.1 is alive"},
		{[]string{"curl", "-sS", "http://example.test/"}, 0, "This page comes from the internet inside netbox"},
		{[]string{"curl", "-sS", "-6", "http://example.test/"}, 0, "This page comes from the internet inside netbox"},
		{[]string{"wget", "-qO-", "http://www.example.test/"}, 0, "It works"},
		{[]string{"curl", "-sS", "http://refused.test/"}, 7, ""},
		{[]string{"curl", "-sS", "http://unreachable.test/"}, 7, ""},
		{[]string{"curl", "-sS", "-m", "1", "http://blackhole.test/"}, 28, ""},
		{[]string{"curl", "-sS", "http://no.such.test/"}, 6, ""},
		{[]string{"dig", "+short", "example.test"}, 0, "192.0.2.80\n"},
		{[]string{"dig", "@1.1.1.1", "+short", "AAAA", "example.test"}, 0, "2001:db8::80\n"},
		{[]string{"dig", "@8.8.8.8", "+tcp", "+short", "example.test"}, 0, "192.0.2.80\n"},
		{[]string{"host", "example.test"}, 0, "has address 192.0.2.80"},
		{[]string{"sh", "-c", "echo through udp | nc -u -w 1 example.test 7"}, 0, "through udp\n"},
		{[]string{"sh", "-c", "echo through tcp | nc -N example.test 7"}, 0, "through tcp\n"},
		{[]string{"ip", "addr"}, 0, "inet 10.0.2.100/24"},
		{[]string{"ip", "route"}, 0, "default via 10.0.2.2"},
	}
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		t.Run(u.Name, func(t *testing.T) {
			for _, row := range rows {
				t.Run(strings.Join(row.args, " "), func(t *testing.T) {
					bed.Need(t, row.args[0])
					r := runSim(t, u, row.args...)
					if r.Code != row.code || !strings.Contains(r.Out, row.want) {
						t.Errorf("want exit %d and %q: %s", row.code, row.want, r.Output())
					}
				})
			}
		})
	}
}

// With the uplink none there is the sandbox's loopback and nothing else.
func TestNone(t *testing.T) {
	b := bed.Build(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	script := `ping -c 1 8.8.8.8; echo $?; curl -sS http://192.0.2.1/; echo $?; ping -c 1 -q 127.0.0.1; ip -br addr`
	r := bed.Run(t, command(ctx, scratch(t), b.Netbox, "run", "--uplink", "none", "--", "sh", "-c", script))
	if strings.Count(r.Err, "etwork is unreachable") != 1 || !strings.Contains(r.Out, "2\n7\n") {
		t.Errorf("outside: %s", r.Output())
	}
	if r.Code != 0 || !strings.Contains(r.Out, "1 received") || strings.Contains(r.Out, "eth0") {
		t.Errorf("inside: %s", r.Output())
	}
}
