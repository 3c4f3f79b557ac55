package dns

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func addrs(s ...string) []netip.Addr {
	var a []netip.Addr
	for _, x := range s {
		a = append(a, netip.MustParseAddr(x))
	}
	return a
}

func TestParseResolvConf(t *testing.T) {
	for _, tc := range []struct {
		name, text       string
		servers          []netip.Addr
		loopback, routed []netip.Addr
		timeout          time.Duration
		attempts         int
	}{
		{"plain", "nameserver 192.0.2.1\nnameserver 2001:db8::1\n",
			addrs("192.0.2.1", "2001:db8::1"), nil, addrs("10.0.2.3", "fd00:2::3", "192.0.2.1", "2001:db8::1"), 5 * time.Second, 2},
		{"systemd-resolved", "# managed\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n",
			addrs("127.0.0.53"), addrs("127.0.0.53"), addrs("10.0.2.3", "fd00:2::3"), 5 * time.Second, 2},
		{"empty", "", addrs("127.0.0.1"), addrs("127.0.0.1"), addrs("10.0.2.3", "fd00:2::3"), 5 * time.Second, 2},
		{"options", "options timeout:2 attempts:3\nnameserver ::1\n",
			addrs("::1"), addrs("::1"), addrs("10.0.2.3", "fd00:2::3"), 2 * time.Second, 3},
		{"option caps", "options timeout:900000000000 attempts:99\n",
			addrs("127.0.0.1"), addrs("127.0.0.1"), addrs("10.0.2.3", "fd00:2::3"), 30 * time.Second, 5},
		{"MAXNS, repeats, mapped", "nameserver 192.0.2.1\nnameserver ::ffff:192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
			addrs("192.0.2.1", "192.0.2.2", "192.0.2.3"), nil, addrs("10.0.2.3", "fd00:2::3", "192.0.2.1", "192.0.2.2", "192.0.2.3"), 5 * time.Second, 2},
		{"unspecified", "nameserver 0.0.0.0\nnameserver ::\n",
			addrs("127.0.0.1", "::1"), addrs("127.0.0.1", "::1"), addrs("10.0.2.3", "fd00:2::3"), 5 * time.Second, 2},
		{"cloud", "nameserver 169.254.169.254\n",
			addrs("169.254.169.254"), nil, addrs("10.0.2.3", "fd00:2::3", "169.254.169.254"), 5 * time.Second, 2},
		{"scoped", "nameserver fe80::1%eth0\nnameserver 10.0.2.3\n",
			addrs("fe80::1%eth0", "10.0.2.3"), nil, addrs("10.0.2.3", "fd00:2::3"), 5 * time.Second, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := parseResolvConf("x", strings.NewReader(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.Nameservers, tc.servers) {
				t.Errorf("Nameservers = %v, want %v", c.Nameservers, tc.servers)
			}
			if got := c.Loopback(); !slices.Equal(got, tc.loopback) {
				t.Errorf("Loopback() = %v, want %v", got, tc.loopback)
			}
			if got := c.Routed(addrs("10.0.2.3", "fd00:2::3")...); !slices.Equal(got, tc.routed) {
				t.Errorf("Routed() = %v, want %v", got, tc.routed)
			}
			if c.Timeout != tc.timeout || c.Attempts != tc.attempts {
				t.Errorf("timeout %v attempts %d, want %v and %d", c.Timeout, c.Attempts, tc.timeout, tc.attempts)
			}
		})
	}
}

func TestReadResolvConfFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, err := ReadResolvConf(filepath.Join(dir, "absent"))
	if err != nil || !slices.Equal(c.Nameservers, addrs("127.0.0.1")) || c.Attempts != 2 {
		t.Errorf("absent file: %+v, %v; want 127.0.0.1", c, err)
	}
	for _, tc := range []struct{ path, want string }{
		{write("name", "nameserver dns.example\n"), `nameserver "dns.example" is not an IP address`},
		{write("long", strings.Repeat("x", maxConfigSize+1)), "longer than"},
		{dir, "is a directory"},
		{"/dev/zero", "longer than"},
	} {
		_, err := ReadResolvConf(tc.path)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.path) {
			t.Errorf("%s: error %v, want one with the path and %q", tc.path, err, tc.want)
		}
	}
	// The longest line that is taken is parsed, not cut off silently.
	c, err = ReadResolvConf(write("line", "#"+strings.Repeat("x", maxConfigSize-24)+"\nnameserver 192.0.2.9\n"))
	if err != nil || !slices.Equal(c.Nameservers, addrs("192.0.2.9")) {
		t.Errorf("after a long line: %+v, %v; want 192.0.2.9", c, err)
	}
}

func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 127.0.0.53\noptions timeout:1 attempts:0\n")
	f.Add("nameserver fe80::1%\nnameserver")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseResolvConf("x", strings.NewReader(text))
		if err != nil {
			return
		}
		if n := len(c.Nameservers); n == 0 || n > maxNameservers {
			t.Errorf("%d nameservers", n)
		}
		if c.Timeout < time.Second || c.Timeout > maxTimeout*time.Second || c.Attempts < 1 || c.Attempts > maxAttempts {
			t.Errorf("timeout %v attempts %d", c.Timeout, c.Attempts)
		}
	})
}
