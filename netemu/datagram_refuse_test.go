package netemu

import (
	"testing"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// TestRefusedQuote: the error queue keeps as much of a datagram as an ICMP error
// would bring back of it.
func TestRefusedQuote(t *testing.T) {
	for _, c := range []struct {
		family int
		inet   stack.Family
		option stack.BoolOption
		want   int
	}{
		{unix.AF_INET, stack.Inet4, stack.RecvErr4, 520},
		{unix.AF_INET6, stack.Inet6, stack.RecvErr6, 1184},
	} {
		ep, errno := alone(t).NewUDP(c.inet)
		if errno != 0 {
			t.Fatal(errno)
		}
		defer ep.Close()
		if errno := ep.SetBool(c.option, true); errno != 0 {
			t.Fatal(errno)
		}
		d := &datagram{idn: identity{family: c.family}, tr: &udp{inet: inet{c.family, ep}}, closed: true}
		for _, n := range []int{0, 100, 65507} {
			d.refused(make([]byte, n), abi.Sockaddr{Family: uint16(c.family)}, false)
			q := d.errors[len(d.errors)-1]
			if want := min(n, c.want); len(q.Payload) != want || cap(q.Payload) > 2*want {
				t.Errorf("family %d: %d of %d bytes are kept in %d, want %d", c.family, len(q.Payload), n, cap(q.Payload), want)
			}
		}
	}
}
