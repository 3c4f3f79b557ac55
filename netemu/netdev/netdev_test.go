package netdev

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// TestFlags compares with what `ip link` shows for lo and for an Ethernet
// interface, up and down.
func TestFlags(t *testing.T) {
	for _, c := range []struct {
		i    stack.Interface
		want uint32
	}{
		{stack.Interface{Loopback: true, Up: true}, 0x10049},
		{stack.Interface{Loopback: true}, 0x8},
		{stack.Interface{Up: true}, 0x11043},
		{stack.Interface{}, 0x1002},
	} {
		if got := Flags(c.i); got != c.want {
			t.Errorf("%+v: flags %#x, want %#x", c.i, got, c.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		prefix, last, broadcast string
		mask                    [4]byte
		loopback                bool
		scope                   uint8
	}{
		{"10.0.2.100/24", "10.0.2.255", "10.0.2.255", [4]byte{255, 255, 255, 0}, false, unix.RT_SCOPE_UNIVERSE},
		{"10.0.2.100/30", "10.0.2.103", "10.0.2.103", [4]byte{255, 255, 255, 252}, false, unix.RT_SCOPE_UNIVERSE},
		{"10.0.2.100/31", "10.0.2.101", "", [4]byte{255, 255, 255, 254}, false, unix.RT_SCOPE_UNIVERSE},
		{"10.0.2.100/32", "10.0.2.100", "", [4]byte{255, 255, 255, 255}, false, unix.RT_SCOPE_UNIVERSE},
		{"10.0.2.100/0", "255.255.255.255", "255.255.255.255", [4]byte{}, false, unix.RT_SCOPE_UNIVERSE},
		{"127.0.0.1/8", "127.255.255.255", "", [4]byte{255, 0, 0, 0}, true, unix.RT_SCOPE_HOST},
	} {
		p := netip.MustParsePrefix(c.prefix)
		i := stack.Interface{Loopback: c.loopback}
		if got := Last(p).String(); got != c.last {
			t.Errorf("%v: last %v, want %v", p, got, c.last)
		}
		if got := Broadcast(i, p); got.IsValid() != (c.broadcast != "") || got.IsValid() && got.String() != c.broadcast {
			t.Errorf("%v: broadcast %v, want %v", p, got, c.broadcast)
		}
		if got := Netmask(p); [4]byte(got) != c.mask {
			t.Errorf("%v: mask %v, want %v", p, got, c.mask)
		}
		if got := ScopeOf(p.Addr()); got != c.scope {
			t.Errorf("%v: scope %d, want %d", p, got, c.scope)
		}
	}
	for addr, want := range map[string]uint8{"::1": unix.RT_SCOPE_HOST, "fe80::1": unix.RT_SCOPE_LINK, "fd00:2::64": 0} {
		if got := ScopeOf(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: scope %d, want %d", addr, got, want)
		}
	}
	if b := Broadcast(stack.Interface{}, netip.MustParsePrefix("fd00::1/64")); b.IsValid() {
		t.Errorf("IPv6 broadcast %v", b)
	}
}
