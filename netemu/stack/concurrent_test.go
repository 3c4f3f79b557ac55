package stack

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// anyCall makes one call of an Endpoint's API with arguments from r.
func anyCall(e *Endpoint, r *rand.Rand) {
	addrs := []Addr{at("127.0.0.1:7001"), at("[::1]:7001"), at("[::ffff:127.0.0.1]:7001"), ap(far4, 80), ap(far6, 80), {}, at("255.255.255.255:1"), at("224.0.0.1:1")}
	a := addrs[r.IntN(len(addrs))]
	buf := make([]byte, r.IntN(3000))
	sc := &SendControl{TTL: r.IntN(300) - 1, HopLimit: r.IntN(300) - 1, PktInfo: &PktInfo{NIC: int32(r.IntN(4)), Local: a.Addr()}}
	calls := []func(){
		func() { e.Bind(a) },
		func() { e.Connect(a) },
		func() { e.Disconnect() },
		func() { e.Listen(r.IntN(5) - 1) },
		func() {
			if c, _, en := e.Accept(); en == 0 {
				c.Close()
			}
		},
		func() { e.Local() },
		func() { e.Remote() },
		func() { e.Shutdown(r.IntN(2) == 0, r.IntN(2) == 0) },
		func() { e.ReadStream(io.Discard) },
		func() { e.WriteStream(buf) },
		func() { e.Receive(buf, r.IntN(2) == 0) },
		func() { e.Send(buf, &a, nil) },
		func() { e.Send(buf, nil, sc) },
		func() { e.Send(buf, &a, sc) },
		func() { e.Readiness(unix.POLLIN | unix.POLLOUT) },
		func() { e.Notify(unix.POLLIN|unix.POLLOUT, func() {})() },
		func() { e.TakeError() },
		func() { e.TakeQueuedError() },
		func() { e.SetBool(BoolOption(r.IntN(int(numBool)+2)), r.IntN(2) == 0) },
		func() { e.GetBool(BoolOption(r.IntN(int(numBool) + 2))) },
		func() { e.SetInt(IntOption(r.IntN(24)), r.IntN(70000)-1) },
		func() { e.GetInt(IntOption(r.IntN(24))) },
		func() { e.SetLinger(r.IntN(2) == 0, r.IntN(3)) },
		func() { e.GetLinger() },
		func() { e.SetCongestion("reno") },
		func() { e.Congestion() },
		func() { e.TCPInfo() },
		func() { e.TCPState() },
		func() { e.JoinGroup(Membership{Addr: netip.MustParseAddr("224.0.0.9"), NIC: int32(r.IntN(4))}) },
		func() { e.LeaveGroup(Membership{Addr: netip.MustParseAddr("ff02::9"), NIC: int32(r.IntN(4))}) },
		func() { e.SetMulticastInterface(int32(r.IntN(4)), a.Addr()) },
	}
	calls[r.IntN(len(calls))]()
}

// TestConcurrentUse: any calls in any state, from several goroutines, also
// during and after Close, neither panic nor hang.
func TestConcurrentUse(t *testing.T) {
	w := newWorld(t, GatewayConfig{
		TCP: func(r *TCPRequest) {
			if c, err := r.Accept(); err == nil {
				io.Copy(c, c)
				c.Close()
			}
		},
		UDP: func(r *UDPRequest) { r.Unreachable(UnreachablePort) },
	})
	makers := []func(Family) (*Endpoint, unix.Errno){
		w.host.NewTCP, w.host.NewUDP,
		func(f Family) (*Endpoint, unix.Errno) { return w.host.NewRaw(f, unix.IPPROTO_ICMP) },
		func(f Family) (*Endpoint, unix.Errno) { return w.host.NewRaw(f, unix.IPPROTO_ICMPV6) },
		func(f Family) (*Endpoint, unix.Errno) { return w.host.NewRaw(f, unix.IPPROTO_RAW) },
	}
	for round := range 60 {
		e, en := makers[round%len(makers)](Family(round / len(makers) % 2))
		ok(t, "socket", en)
		done := make(chan struct{})
		go func() {
			defer close(done)
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					r := rand.New(rand.NewPCG(uint64(round), uint64(g)))
					for range 300 {
						anyCall(e, r)
					}
				}()
			}
			wg.Wait()
			e.Close()
			e.Abort()
			e.Close()
			anyCall(e, rand.New(rand.NewPCG(1, uint64(round))))
		}()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatalf("round %d hangs", round)
		}
	}
}

// TestParallelConnections: many at once, opened and closed by both sides.
func TestParallelConnections(t *testing.T) {
	w := newWorld(t, GatewayConfig{TCP: func(r *TCPRequest) {
		if c, err := r.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}})
	const n = 500
	var wg sync.WaitGroup
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			e, en := w.host.NewTCP(Inet4)
			if en != 0 {
				t.Error(en)
				return
			}
			defer e.Close()
			if en := connect(t, e, ap(far4, 80)); en != 0 {
				t.Error(en)
				return
			}
			s := stream{t, e}
			if _, err := s.Write([]byte("hello")); err != nil {
				t.Error(err)
			}
			buf := make([]byte, 5)
			if _, err := io.ReadFull(s, buf); err != nil || string(buf) != "hello" {
				t.Errorf("%q %v", buf, err)
			}
		}()
	}
	wg.Wait()
	if st := w.host.Stats(); st.Link.TxDropped != 0 {
		t.Errorf("%+v", st)
	}
}

// TestServices: what runs on a far stack for its own account.
func TestServices(t *testing.T) {
	w := newWorld(t, GatewayConfig{})
	l := tcpSocket(t, w.host, Inet4)
	ok(t, "bind", l.Bind(at("0.0.0.0:8080")))
	ok(t, "listen", l.Listen(5))
	client := netip.MustParseAddrPort("198.51.100.77:5555")
	c, err := w.far.DialTCP(t.Context(), client, netip.AddrPortFrom(sandbox4, 8080), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	until(t, l, unix.POLLIN)
	k, peer, en := l.Accept()
	ok(t, "accept", en)
	defer k.Close()
	if peer.AddrPort != client {
		t.Errorf("published connection from %v, want %v", peer, client)
	}
	if _, err := w.far.DialTCP(t.Context(), netip.AddrPort{}, netip.AddrPortFrom(sandbox4, 8081), nil); !isErrno(err, unix.ECONNREFUSED) {
		t.Errorf("dial a closed port: %v", err)
	}
	p, err := w.far.ListenUDP(netip.AddrPortFrom(netip.MustParseAddr("10.0.2.3"), 53))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	u := udpSocket(t, w.host, Inet4)
	dns := at("10.0.2.3:53")
	_, en = u.Send([]byte("query"), &dns, nil)
	ok(t, "send", en)
	buf := make([]byte, 100)
	p.SetReadDeadline(time.Now().Add(patience))
	n, from, err := p.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "query" {
		t.Fatal(n, err)
	}
	if _, err := p.WriteTo([]byte("answer"), from); err != nil {
		t.Fatal(err)
	}
	if d, got := receive(t, u); string(got) != "answer" || d.From.AddrPort != dns.AddrPort {
		t.Errorf("%q from %v", got, d.From)
	}
	s := udpSocket(t, w.host, Inet4)
	ok(t, "bind", s.Bind(at("0.0.0.0:9999")))
	d, err := w.far.DialUDP(client, netip.AddrPortFrom(sandbox4, 9999))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Write([]byte("published"))
	if g, got := receive(t, s); string(got) != "published" || g.From.AddrPort != client {
		t.Errorf("%q from %v", got, g.From)
	}
	ln, err := w.far.ListenTCP(netip.AddrPortFrom(gateway4, 81))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, func() { ln.Close() })
	if _, err := ln.Accept(); err == nil {
		t.Error("accepted on a closed listener")
	} else if ne, is := err.(*net.OpError); !is || ne.Err != net.ErrClosed {
		t.Errorf("closed listener: %v", err)
	}
}
