package stack

import (
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"golang.org/x/sys/unix"

	"netbox/netemu/link"
)

// inject writes raw bytes as one IP packet into a link.
func inject(e link.Endpoint, b []byte) {
	proto := header.IPv4ProtocolNumber
	if len(b) > 0 && b[0]>>4 == 6 {
		proto = header.IPv6ProtocolNumber
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	pkt.NetworkProtocolNumber = proto
	var l stack.PacketBufferList
	l.PushBack(pkt)
	e.WritePackets(l)
	pkt.DecRef()
}

// syn is a SYN from the sandbox's side.
func syn(dst netip.AddrPort) []byte {
	b := make([]byte, header.TCPMinimumSize)
	header.TCP(b).Encode(&header.TCPFields{
		SrcPort: 40000, DstPort: dst.Port(), SeqNum: 1, DataOffset: header.TCPMinimumSize,
		Flags: header.TCPFlagSyn, WindowSize: 65535,
	})
	return ipPacket(sandbox4, dst.Addr(), header.TCPProtocolNumber, 64, 0, b)
}

// bareGateway is a gateway whose sandbox is the test.
func bareGateway(t *testing.T, c GatewayConfig) (*Stack, link.Endpoint) {
	t.Helper()
	a, b := link.New(0)
	c.Link, c.Addrs = b, []netip.Prefix{netip.PrefixFrom(gateway4, 24)}
	gw, err := NewGateway(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { gw.Close(); a.Close(); a.Wait() })
	return gw, a
}

// TestCloseDuringHandshake: Close ends an Accept whose peer is silent.
func TestCloseDuringHandshake(t *testing.T) {
	accepting, accepted := make(chan struct{}), make(chan error, 1)
	gw, end := bareGateway(t, GatewayConfig{TCP: func(r *TCPRequest) {
		close(accepting)
		c, err := r.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}})
	inject(end, syn(netip.AddrPortFrom(far4, 80)))
	<-accepting
	closed := make(chan struct{})
	go func() { gw.Close(); close(closed) }()
	for _, c := range []<-chan struct{}{closed} {
		select {
		case <-c:
		case <-time.After(patience):
			t.Fatal("Close hangs")
		}
	}
	if err := <-accepted; err == nil {
		t.Error("accepted a silent peer")
	}
}

// TestTCPInFlightBound: requests over the bound are ignored and counted, a SYN
// that comes again is the same request, and what is not answered first counts
// no more.
func TestTCPInFlightBound(t *testing.T) {
	reqs := make(chan *TCPRequest, maxTCPInFlight+10)
	gw, end := bareGateway(t, GatewayConfig{TCP: func(r *TCPRequest) { reqs <- r }})
	const extra = 5
	for i := range maxTCPInFlight + extra {
		dst := netip.AddrPortFrom(far4, uint16(1+i))
		inject(end, syn(dst))
		if i < 3 {
			inject(end, syn(dst))
		}
	}
	for i := range maxTCPInFlight {
		select {
		case r := <-reqs:
			defer r.Drop()
		case <-time.After(patience):
			t.Fatalf("%d requests", i)
		}
	}
	for end := time.Now().Add(patience); gw.Stats().TCPForwardDropped != extra; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d dropped, want %d", gw.Stats().TCPForwardDropped, extra)
		}
	}
	if len(reqs) != 0 {
		t.Errorf("%d requests too many", len(reqs))
	}
}

// TestAnswerTwice: only the first answer counts, and none after Close.
func TestAnswerTwice(t *testing.T) {
	got := make(chan *TCPRequest, 1)
	w := newWorld(t, GatewayConfig{TCP: func(r *TCPRequest) { got <- r }})
	e := tcpSocket(t, w.host, Inet4)
	want(t, "connect", e.Connect(ap(far4, 80)), unix.EINPROGRESS)
	r := <-got
	r.Refuse()
	r.Refuse()
	r.Drop()
	r.Unreachable(UnreachableHost)
	if c, err := r.Accept(); err == nil || c != nil {
		t.Error("accepted after Refuse")
	}
	until(t, e, unix.POLLOUT)
	want(t, "SO_ERROR", e.TakeError(), unix.ECONNREFUSED)

	e = tcpSocket(t, w.host, Inet4)
	want(t, "connect", e.Connect(ap(far4, 80)), unix.EINPROGRESS)
	r = <-got
	w.far.Close()
	r.Unreachable(UnreachableHost)
	if _, err := r.Accept(); err == nil {
		t.Error("accepted after Close")
	}
}

// TestSynTimeout: TCP_SYNCNT 1 means 1 + 2 seconds to ETIMEDOUT, as on Linux.
func TestSynTimeout(t *testing.T) {
	w := newWorld(t, GatewayConfig{TCP: func(r *TCPRequest) { r.Drop() }})
	e := tcpSocket(t, w.host, Inet4)
	ok(t, "syncnt", e.SetInt(SynCount, 1))
	start := time.Now()
	want(t, "connect", connect(t, e, ap(far4, 80)), unix.ETIMEDOUT)
	if d := time.Since(start); d < 2500*time.Millisecond || d > 4500*time.Millisecond {
		t.Errorf("timed out after %v", d)
	}
}

// TestGroupsAndBroadcasts: a gateway hands up nothing that is not for one host.
func TestGroupsAndBroadcasts(t *testing.T) {
	w := newWorld(t, GatewayConfig{
		UDP:  func(r *UDPRequest) { t.Errorf("datagram to %v", r.Dst) },
		Echo: func(e Echo) { t.Errorf("echo request to %v", e.Dst) },
	})
	u := udpSocket(t, w.host, Inet4)
	ok(t, "broadcast", u.SetBool(Broadcast, true))
	r := rawSocket(t, w.host, Inet4, unix.IPPROTO_ICMP)
	ok(t, "broadcast", r.SetBool(Broadcast, true))
	for _, dst := range []string{"255.255.255.255", "10.0.2.255", "224.0.0.251"} {
		to := ap(netip.MustParseAddr(dst), 9)
		_, en := u.Send([]byte("x"), &to, nil)
		ok(t, "send to "+dst, en)
		_, en = r.Send(echoRequest(true, 1, 1, nil), &to, nil)
		ok(t, "ping "+dst, en)
	}
	// They have been seen once the gateway answers what came after them.
	to := ap(gateway4, 0)
	_, en := r.Send(echoRequest(true, 1, 2, nil), &to, nil)
	ok(t, "ping", en)
	receiveICMP(t, r, 0)
}

// FuzzPackets throws packets at a host with sockets and at a gateway.
func FuzzPackets(f *testing.F) {
	f.Add(syn(netip.AddrPortFrom(far4, 80)))
	f.Add(ipPacket(sandbox4, far4, header.ICMPv4ProtocolNumber, 1, 0, echoRequest(true, 1, 1, []byte("x"))))
	f.Add(ipPacket(sandbox6, far6, header.ICMPv6ProtocolNumber, 1, 0, echoRequest(false, 1, 1, []byte("x"))))
	udp := []byte{0x10, 0, 0x20, 0, 0, 8, 0, 0}
	f.Add(ipPacket(sandbox4, far4, header.UDPProtocolNumber, 1, 0, udp))
	quoted := ipPacket(sandbox4, far4, header.UDPProtocolNumber, 1, 0, udp)
	icmp := append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, quoted...)
	f.Add(ipPacket(far4, sandbox4, header.ICMPv4ProtocolNumber, 1, 0, icmp))
	f.Add([]byte{})
	f.Add([]byte{0x45})
	f.Add([]byte{0x60, 0, 0, 0})

	a, b := link.New(0)
	host, err := NewHost(hostConfig(a))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { host.Close(); b.Close() })
	for _, fam := range []Family{Inet4, Inet6} {
		u := udpSocket(f, host, fam)
		u.SetBool(RecvErr4, true)
		u.Bind(Addr{AddrPort: netip.AddrPortFrom(netip.Addr{}, 0x1000)})
		_, proto, _, _ := protoOf(map[Family]netip.Addr{Inet4: far4, Inet6: far6}[fam])
		rawSocket(f, host, fam, proto)
	}
	c, d := link.New(0)
	gw, err := NewGateway(GatewayConfig{
		Link: d, Addrs: []netip.Prefix{netip.PrefixFrom(gateway4, 24)},
		TCP: func(r *TCPRequest) { r.Unreachable(UnreachableNet) },
		Datagram: func(d ForwardedDatagram) {
			d.Unreachable(UnreachablePort)
			d = d.Hold()
			defer d.Release()
			quote, at := d.AppendQuote(nil, 64)
			if n := d.Payload(make([]byte, 1<<16)); n != d.Size() || at > len(quote) || len(quote)-at > 64 {
				panic("a datagram's size, payload and quote disagree")
			}
		},
		Gone: func(netip.AddrPort, netip.AddrPort) {},
		Echo: func(e Echo) {
			if len(e.Raw) < len(e.Payload) {
				panic("raw shorter than payload")
			}
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { gw.Close(); c.Close() })
	f.Fuzz(func(t *testing.T, p []byte) {
		inject(b, append([]byte(nil), p...))
		inject(c, append([]byte(nil), p...))
		// Checksums keep most inputs from the code behind them.
		if q, found := parseQuote(true, p); found {
			host.errorToRaw(QueuedError{}, true, q)
		}
		if q, found := parseQuote(false, p); found {
			host.errorToRaw(QueuedError{}, true, q)
		}
		if len(p) >= header.ICMPv4MinimumSize {
			e := QueuedError{Type: p[0], Code: p[1]}
			e.convert4(p)
			e.convert6(p)
		}
	})
}
