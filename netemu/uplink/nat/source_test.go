package nat

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/netemu/uplink"
)

// TestSourcesOpenNothing: a sandbox that gives itself other addresses, the
// gateway's own among them, reaches no more than before: destinations are
// judged, sources are not believed.
func TestSourcesOpenNothing(t *testing.T) {
	r := newRig(t, Config{})
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	reached := make(chan net.Addr, 1)
	go func() {
		if c, err := server.Accept(); err == nil {
			reached <- c.RemoteAddr()
			c.Close()
		}
	}()
	port := server.Addr().(*net.TCPAddr).AddrPort().Port()
	var sources []netip.Addr
	var addrs []stack.Address
	for _, p := range []string{"203.0.113.9/24", "10.0.2.77/24", "169.254.1.1/16", "8.8.8.8/32", "10.0.2.3/24"} {
		prefix := netip.MustParsePrefix(p)
		sources = append(sources, prefix.Addr())
		addrs = append(addrs, stack.Address{Prefix: prefix})
	}
	if errno := r.host.SetAddresses(stack.Ethernet, addrs); errno != 0 {
		t.Fatal(errno)
	}
	r.host.SetRoutes([]stack.Route{{
		Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, NIC: stack.Ethernet,
		Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: uplink.Gateway4,
	}})
	for _, source := range sources {
		for _, dst := range []string{"10.0.2.2", "10.0.2.9", "169.254.169.254", "0.1.2.3"} {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			c, err := r.host.DialTCP(ctx, netip.AddrPortFrom(source, 0), netip.AddrPortFrom(netip.MustParseAddr(dst), port), nil)
			cancel()
			if err == nil {
				c.Close()
				t.Errorf("from %s to %s: connected", source, dst)
			}
		}
	}
	select {
	case from := <-reached:
		t.Errorf("the host's loopback was reached from %v", from)
	default:
	}
	if got := r.nat.count.denied.Load(); got < uint64(len(sources)) {
		t.Errorf("%d destinations denied", got)
	}
}
