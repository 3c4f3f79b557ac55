package nat

import (
	"net"
	"net/netip"
	"testing"
)

func TestGuard(t *testing.T) {
	for _, c := range []struct {
		dst      string
		loopback bool
		action   action
		host     string
	}{
		{"8.8.8.8", false, permit, "8.8.8.8"},
		{"2001:4860:4860::8888", false, permit, "2001:4860:4860::8888"},
		{"192.168.1.1", false, permit, "192.168.1.1"},
		{"fd12::1", false, permit, "fd12::1"},
		{"2002:7f00:1::1", false, permit, "2002:7f00:1::1"},         // 6to4 of 127.0.0.1
		{"64:ff9b::7f00:1", false, permit, "64:ff9b::7f00:1"},       // NAT64 of 127.0.0.1
		{"::ffff:0:127.0.0.1", false, permit, "::ffff:0:127.0.0.1"}, // SIIT, RFC 2765

		{"10.0.2.2", false, refuse, ""},
		{"fd00:2::2", false, refuse, ""},
		{"10.0.2.2", true, permit, "127.0.0.1"},
		{"fd00:2::2", true, permit, "::1"},

		{"10.0.2.3", true, noHost, ""},
		{"10.0.2.0", true, noHost, ""},
		{"10.0.2.255", true, noHost, ""},
		{"10.0.2.100", true, noHost, ""},
		{"fd00:2::3", true, noHost, ""},
		{"fd00:2::ffff", true, noHost, ""},

		{"127.0.0.1", true, noNet, ""},
		{"127.0.0.53", true, noNet, ""},
		{"127.255.255.255", true, noNet, ""},
		{"0.0.0.0", true, noNet, ""},
		{"0.1.2.3", true, noNet, ""},
		{"::", true, noNet, ""},
		{"::1", true, noNet, ""},
		{"::127.0.0.1", true, noNet, ""},
		{"::8.8.8.8", true, noNet, ""},
		{"::ffff:127.0.0.1", true, noNet, ""},
		{"::ffff:8.8.8.8", true, noNet, ""},
		{"::ffff:10.0.2.2", true, noNet, ""},
		{"169.254.169.254", true, noNet, ""},
		{"fe80::1", true, noNet, ""},
		{"fe80::1%eth0", true, noNet, ""},
		{"2001:db8::1%eth0", true, noNet, ""},

		{"224.0.0.251", true, ignore, ""},
		{"239.255.255.250", true, ignore, ""},
		{"255.255.255.255", true, ignore, ""},
		{"ff02::fb", true, ignore, ""},
		{"ff0e::1", true, ignore, ""},
	} {
		host, got := guard{hostLoopback: c.loopback}.check(netip.MustParseAddr(c.dst))
		want := netip.Addr{}
		if c.host != "" {
			want = netip.MustParseAddr(c.host)
		}
		if got != c.action || host != want {
			t.Errorf("%s (host loopback %v): %v, action %d; want %v, action %d", c.dst, c.loopback, host, got, want, c.action)
		}
	}
	if _, got := (guard{}).check(netip.Addr{}); got == permit {
		t.Error("the invalid address is permitted")
	}
}

// FuzzGuard holds the guard against the kernel's and net.IP's own idea of
// what is local, group or nothing.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "::ffff:127.0.0.1", "::", "8.8.8.8", "10.0.2.2", "fe80::1", "ff02::1", "fd00:2::5"} {
		f.Add(netip.MustParseAddr(s).AsSlice())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		dst, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		host, act := guard{}.check(dst)
		if act != permit {
			if host.IsValid() {
				t.Fatalf("%v: not permitted, and yet the host's address is %v", dst, host)
			}
			return
		}
		if host != dst {
			t.Fatalf("%v became %v", dst, host)
		}
		// net.IP sees through the v4-mapped form, as connect(2) does.
		ip := net.IP(dst.AsSlice())
		if ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() ||
			ip.Equal(net.IPv4bcast) || ip.To4() != nil && ip.To4()[0] == 0 || len(raw) == 16 && ip.To4() != nil {
			t.Fatalf("%v is permitted", dst)
		}
	})
}
