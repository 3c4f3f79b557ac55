package publish

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"netbox/netemu/stack"
	"netbox/netemu/uplink"
)

// echoUDP is a program in the sandbox that answers each datagram with itself,
// and tells who asked.
func echoUDP(t *testing.T, host *stack.Stack, at string) <-chan netip.AddrPort {
	t.Helper()
	c, err := host.ListenUDP(netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	asked := make(chan netip.AddrPort, 100)
	go func() {
		buf := make([]byte, maxDatagram)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			asked <- from.(*net.UDPAddr).AddrPort()
			c.WriteTo(buf[:n], from)
		}
	}()
	return asked
}

func dialUDP(t *testing.T, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

func ask(t *testing.T, c net.Conn, payload []byte) {
	t.Helper()
	if _, err := c.Write(payload); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, maxDatagram)
	n, err := c.Read(buf)
	if err != nil || !bytes.Equal(buf[:n], payload) {
		t.Fatalf("asked %d bytes, got %d: %v", len(payload), n, err)
	}
}

func TestUDP(t *testing.T) {
	for name, c := range map[string]struct {
		host netip.Addr
		box  string
		from netip.Addr
	}{
		"v4":         {host4, "10.0.2.100:53", uplink.Gateway4},
		"v6":         {host6, "[fd00:2::64]:53", uplink.Gateway6},
		"v6 over v4": {host6, "0.0.0.0:53", uplink.Gateway4},
		"v4 over v6": {host4, "[fd00:2::64]:53", uplink.Gateway6},
	} {
		t.Run(name, func(t *testing.T) {
			server, host := newRig(t, Spec{Addr: c.host, Port: 53, Proto: UDP})
			asked := echoUDP(t, host, c.box)
			one, two := dialUDP(t, server.Addrs()[0]), dialUDP(t, server.Addrs()[0])
			seen := map[netip.AddrPort]bool{}
			for _, size := range []int{1, 0, 1472, 65507} {
				ask(t, one, make([]byte, size))
				ask(t, two, make([]byte, size))
				for range 2 {
					from := <-asked
					seen[from] = true
					if from.Addr().Unmap() != c.from {
						t.Errorf("the program's client is %v, want %v", from, c.from)
					}
				}
			}
			if len(seen) != 2 || server.Stats().UDPFlows != 2 {
				t.Errorf("two clients are seen as %v; %+v", seen, server.Stats())
			}
		})
	}
}

// TestUDPAnswerAddress: a socket on all addresses answers from the one that
// was asked; else a connected client would not take it.
func TestUDPAnswerAddress(t *testing.T) {
	port := freePort(t)
	_, host := newRig(t, Spec{HostPort: port, Port: 53, Proto: UDP})
	echoUDP(t, host, "0.0.0.0:53")
	for _, at := range []string{"127.0.0.1", "127.0.0.7", "127.9.9.9", "::1"} {
		ask(t, dialUDP(t, netip.AddrPortFrom(netip.MustParseAddr(at), port)), []byte(at))
	}
}

// TestUDPNobodyThenSomebody: datagrams before the program listens are lost,
// and do not spoil what comes after.
func TestUDPNobodyThenSomebody(t *testing.T) {
	server, host := newRig(t, Spec{Addr: host4, Port: 53, Proto: UDP})
	c := dialUDP(t, server.Addrs()[0])
	c.Write([]byte("anyone?"))
	forgotten := func() bool {
		p := server.udp[0]
		p.mu.Lock()
		defer p.mu.Unlock()
		return server.Stats().UDPFlows == 1 && len(p.clients) == 0
	}
	if !eventually(forgotten) {
		t.Error("a client that nobody answers is kept")
	}
	echoUDP(t, host, "0.0.0.0:53")
	ask(t, c, []byte("now?"))
}

func TestUDPExpiryAndEviction(t *testing.T) {
	const bound = 4
	server, host := newRig(t, Spec{Addr: host4, Port: 53, Proto: UDP})
	port := server.udp[0]
	port.mu.Lock()
	port.max = bound
	server.udpIdle = 300 * time.Millisecond
	port.mu.Unlock()
	open := func() int {
		port.mu.Lock()
		defer port.mu.Unlock()
		return len(port.clients)
	}
	echoUDP(t, host, "0.0.0.0:53")
	for range bound + 2 {
		ask(t, dialUDP(t, server.Addrs()[0]), []byte("x"))
	}
	if got := open(); got > bound {
		t.Errorf("%d clients, bound %d", got, bound)
	}
	if !eventually(func() bool { return open() == 0 }) {
		t.Errorf("%d clients did not expire", open())
	}
}

func FuzzReplyFrom(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, oob []byte) {
		local, control := replyFrom(oob)
		if local.IsValid() != (control != nil) || local.IsMulticast() {
			t.Fatalf("%v, %v", local, control)
		}
	})
}
