package netdev

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// TestFlags compares with what `ip link` shows for an Ethernet interface, up and
// down.
func TestFlags(t *testing.T) {
	ethernet := stack.Interface{Flags: unix.IFF_BROADCAST | unix.IFF_MULTICAST}
	if got := Flags(ethernet); got != 0x1002 {
		t.Errorf("down: flags %#x", got)
	}
	ethernet.Up = true
	if got := Flags(ethernet); got != 0x11043 {
		t.Errorf("up: flags %#x", got)
	}
}

func TestNetmask(t *testing.T) {
	for prefix, want := range map[string][4]byte{
		"10.0.2.100/24": {255, 255, 255, 0}, "10.0.2.100/31": {255, 255, 255, 254}, "10.0.2.100/32": {255, 255, 255, 255}, "10.0.2.100/0": {},
	} {
		if got := Netmask(netip.MustParsePrefix(prefix)); [4]byte(got) != want {
			t.Errorf("%s: mask %v, want %v", prefix, got, want)
		}
	}
}
