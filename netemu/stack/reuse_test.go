package stack

import (
	"net/netip"
	"testing"
)

// TestPortAtOnce: a program that resets a connection may connect from the same port
// at once. To Linux that is a new connection; its SYN may reach the gateway before
// that has done away with the old one.
func TestPortAtOnce(t *testing.T) {
	w := newWorld(t, GatewayConfig{TCP: func(r *TCPRequest) {
		c, err := r.Accept()
		if err == nil {
			defer c.Close()
			_, _ = c.Read(make([]byte, 1)) // until the reset
		}
	}})
	for _, row := range []struct {
		family   Family
		from, to netip.Addr
	}{{Inet4, sandbox4, far4}, {Inet6, sandbox6, far6}} {
		held := w.far.Stats().ReusedPorts
		for i := range 300 {
			ep, errno := w.host.NewTCP(row.family)
			ok(t, "socket", errno)
			ok(t, "reuse", ep.SetBool(ReuseAddr, true))
			ok(t, "bind", ep.Bind(ap(row.from, 5555)))
			if errno := connect(t, ep, ap(row.to, 80)); errno != 0 {
				t.Fatalf("%v, connection %d: %v", row.to, i, errno)
			}
			ep.Abort()
		}
		if w.far.Stats().ReusedPorts == held {
			t.Errorf("%v: no SYN came before the old connection was gone", row.to)
		}
	}
}

// TestListenerNotHeld: an endpoint that listens is no old connection, whoever
// connects is not kept waiting for it.
func TestListenerNotHeld(t *testing.T) {
	w := newWorld(t, GatewayConfig{})
	for _, row := range []struct {
		family Family
		to     netip.Addr
	}{{Inet4, gateway4}, {Inet6, gateway6}} {
		l, errno := w.far.NewTCP(row.family)
		ok(t, "socket", errno)
		ok(t, "bind", l.Bind(ap(row.to, 53)))
		ok(t, "listen", l.Listen(1))
		ep, errno := w.host.NewTCP(row.family)
		ok(t, "socket", errno)
		ok(t, "connect", connect(t, ep, ap(row.to, 53)))
		ep.Abort()
		l.Abort()
	}
	if held := w.far.Stats().ReusedPorts; held != 0 {
		t.Errorf("%d SYNs to listeners were held back", held)
	}
}
