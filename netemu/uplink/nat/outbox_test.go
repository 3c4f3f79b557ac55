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
		boxes[i].all = &all
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
	n := New(Config{})
	// The options of IPv6 are no options of this socket.
	f := &udpFlow{nat: n, to: loopback6}
	f.send.f = f
	if err := f.dial(server.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
		t.Fatal(err)
	}
	defer f.host.Close()
	if room, open := f.send.now(forwarded(t, []byte("wrong way"))); !room || !open {
		t.Error("the flow ended")
	}
	f.to = loopback4
	if room, open := f.send.now(forwarded(t, []byte("right way"))); !room || !open {
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
	f.host.Close()
	if _, open := f.send.now(forwarded(t, nil)); open {
		t.Error("a closed socket leaves the flow open")
	}
}

// TestOutboxDrain: what waits goes in order, and the next goes at once again; what waits when
// the flow ends is given back.
func TestOutboxDrain(t *testing.T) {
	server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback4, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	n := New(Config{})
	f := &udpFlow{nat: n, to: loopback4}
	f.out.all, f.send.f = &n.queued, f
	if err := f.dial(server.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
		t.Fatal(err)
	}
	put := func(what string) {
		t.Helper()
		if queued, open := f.out.put(forwarded(t, []byte(what))); !queued || !open {
			t.Fatalf("queued %v, open %v", queued, open)
		}
	}
	put("a")
	put("b")
	if !f.out.drain() || f.out.drain() || f.out.idle() {
		t.Fatal("two may drain")
	}
	f.drain()
	if !f.out.idle() {
		t.Error("draining goes on")
	}
	f.take(forwarded(t, []byte("c")))
	server.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 16)
	for _, want := range []string{"a", "b", "c"} {
		if got, _, err := server.ReadFromUDPAddrPort(buf); err != nil || string(buf[:got]) != want {
			t.Errorf("%q came, %v, want %q", buf[:got], err, want)
		}
	}
	put("late")
	f.close()
	f.drain()
	if got := n.queued.used.Load(); got != 0 {
		t.Errorf("%d bytes are charged for nothing", got)
	}
}
