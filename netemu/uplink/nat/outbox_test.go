package nat

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"netbox/netemu/link"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
)

// forwarded is a datagram of a sandbox's, as its gateway gives it.
func forwarded(t *testing.T, payload []byte) stack.ForwardedDatagram {
	t.Helper()
	near, far := link.New(link.DefaultMTU)
	got := make(chan stack.ForwardedDatagram, 1)
	gateway, err := stack.NewGateway(stack.GatewayConfig{
		Link: far, Addrs: gatewayAddrs(),
		TCP:      func(*stack.TCPRequest) {},
		Datagram: func(d stack.ForwardedDatagram) { got <- d.Hold() },
		Gone:     func(_, _ netip.AddrPort) {},
		Echo:     func(stack.Echo) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gateway.Close)
	host, err := stack.NewHost(stack.HostConfig{
		Link:     near,
		Addrs:    []netip.Prefix{netip.PrefixFrom(uplink.Host4, uplink.Net4.Bits())},
		Gateways: []netip.Addr{uplink.Gateway4},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	c, err := host.DialUDP(netip.AddrPort{}, netip.MustParseAddrPort("192.0.2.1:9"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(payload); err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-got:
		t.Cleanup(d.Release)
		return d
	case <-time.After(patience):
		t.Fatal("the datagram did not reach the gateway")
	}
	panic("unreachable")
}

// TestOutboxesBound: what all flows hold is bounded together, also what their
// goroutines have taken out and not sent yet.
func TestOutboxesBound(t *testing.T) {
	d := forwarded(t, make([]byte, 60000))
	if got := d.Memory(); got < 60028 {
		t.Fatalf("a packet of 60028 bytes has %d bytes of memory", got)
	}
	var all budget
	boxes := make([]outbox, 40)
	var taken []stack.ForwardedDatagram
	kept, refused := 0, 0
	for i := range boxes {
		boxes[i].init(&all)
		for range maxQueued / cost(d) {
			if queued, open := boxes[i].put(d); !open {
				t.Fatal("closed")
			} else if queued {
				kept++
			} else {
				refused++
			}
		}
		if i%2 == 0 && len(boxes[i].list) > 0 {
			list, _ := boxes[i].takeAll(nil)
			taken = append(taken, list...)
		}
	}
	if most := maxAllQueued / cost(d); kept != most {
		t.Errorf("%d datagrams kept, want %d", kept, most)
	}
	if got := all.refused.Load(); got == 0 || got != uint64(refused) {
		t.Errorf("counted %d refused, want %d", got, refused)
	}
	for _, d := range taken {
		boxes[0].release(d)
	}
	if queued, _ := boxes[0].put(d); !queued {
		t.Error("there is room again, and no datagram gets it")
	}
	for i := range boxes {
		boxes[i].close()
	}
	if got := all.used.Load(); got != 0 {
		t.Errorf("%d bytes are charged for nothing", got)
	}
}

// TestWayFails: a datagram that the host's socket can't be set up for is dropped; it
// does not go the way of the one before.
func TestWayFails(t *testing.T) {
	server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback4, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	host, raw, err := dialUDP(server.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	n := New(Config{})
	// The options of IPv6 are no options of this socket.
	f := &udpFlow{nat: n, to: loopback6, host: host, raw: raw}
	s := sender{f: f, buf: datagrams.Get().(*[]byte)}
	defer datagrams.Put(s.buf)
	if open := s.send(forwarded(t, []byte("wrong way"))); !open {
		t.Error("the flow ended")
	}
	f.to = loopback4
	if open := s.send(forwarded(t, []byte("right way"))); !open {
		t.Error("the flow ended")
	}
	server.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 16)
	if got, _, err := server.ReadFromUDPAddrPort(buf); err != nil || string(buf[:got]) != "right way" {
		t.Errorf("came first: %q, %v", buf[:got], err)
	}
	if got := n.Stats().UDPDropped; got != 1 {
		t.Errorf("%d dropped, want 1", got)
	}
	host.Close()
	if open := s.send(forwarded(t, nil)); open {
		t.Error("a closed socket leaves the flow open")
	}
}
