package nat

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/netemu/uplink/relay"
	"netbox/test/world"
)

// TestSelfConnect: a closed port of the host's that is the only one to connect from is
// a closed port, although the kernel lets a socket meet itself there.
func TestSelfConnect(t *testing.T) {
	n := world.NewNamespace(t, "self")
	err := n.Run("sh", "-c", "echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Fatal(err)
	}
	dst := netip.AddrPortFrom(loopback4, 40000)
	err = n.Do(func() error {
		d := dial{dst: dst, way: stack.Way{TTL: 64, Fragment: stack.FragmentAtSource}}
		s, err := d.try(context.Background())
		if err != nil || d.local != dst {
			t.Errorf("the kernel: %v, from %v", err, d.local)
		}
		if err == nil {
			relay.Reset(s)
		}
		_, err = d.connect(context.Background())
		return err
	})
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%v, want ECONNREFUSED", err)
	}
}
