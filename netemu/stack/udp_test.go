package stack

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echoUDP echoes datagrams on a real host socket.
func echoUDP(t *testing.T) string {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			c.WriteTo(buf[:n], from)
		}
	}()
	return c.LocalAddr().String()
}

// relayUDP relays each flow to a host address until the test ends.
func relayUDP(t *testing.T, to string) func(*UDPRequest) {
	return func(r *UDPRequest) {
		front, err := r.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		back, err := net.Dial("udp", to)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { front.Close(); back.Close() })
		pump := func(dst, src net.Conn) {
			buf := make([]byte, 1<<16)
			for {
				n, err := src.Read(buf)
				if err != nil {
					return
				}
				dst.Write(buf[:n])
			}
		}
		go pump(back, front)
		go pump(front, back)
	}
}

func TestUDPRelay(t *testing.T) {
	to := echoUDP(t)
	w := newWorld(t, GatewayConfig{UDP: func(r *UDPRequest) { relayUDP(t, to)(r) }})
	for _, dst := range []Addr{ap(far4, 53), ap(far6, 53), ap(netip.AddrFrom16(far4.As16()), 54)} {
		f := Inet4
		if dst.Addr().Is6() {
			f = Inet6
		}
		e := udpSocket(t, w.host, f)
		for _, size := range []int{1, 0, 1472, 65507} {
			p := bytes.Repeat([]byte{0xa5}, size)
			n, en := e.Send(p, &dst, nil)
			ok(t, "sendto", en)
			d, got := receive(t, e)
			if n != size || !bytes.Equal(got, p) || d.From.AddrPort != dst.AddrPort {
				t.Fatalf("%v: sent %d of %d, got %d from %v", dst, n, size, len(got), d.From)
			}
			if d.PktInfo == nil || d.PktInfo.NIC != Ethernet {
				t.Errorf("pktinfo %+v", d.PktInfo)
			}
			if time.Since(d.Timestamp) > time.Minute {
				t.Errorf("timestamp %v", d.Timestamp)
			}
		}
	}
}

func TestUDPControl(t *testing.T) {
	s := newLoop(t)
	server, client := udpSocket(t, s, Inet6), udpSocket(t, s, Inet4)
	ok(t, "bind", server.Bind(at("[::]:4000")))
	to := at("127.0.0.9:4000")
	ok(t, "tos", client.SetInt(TOS, 0x20))
	_, en := client.Send([]byte("abc"), &to, &SendControl{TTL: 7, HopLimit: -1})
	ok(t, "sendto", en)
	d, _ := receive(t, server)
	if d.TTL != 7 || d.TOS != 0x20 || d.HopLimit != -1 || d.TClass != -1 {
		t.Errorf("control %+v", d.Control)
	}
	mapped := netip.AddrFrom16(netip.MustParseAddr("127.0.0.9").As16())
	if d.PktInfo == nil || d.PktInfo.Dst != mapped || d.PktInfo.Local != mapped || d.PktInfo.NIC != Loopback {
		t.Errorf("pktinfo %+v", d.PktInfo)
	}
	if !d.From.Addr().Is4In6() {
		t.Errorf("from %v", d.From)
	}
	// The answer comes from where the question went.
	_, en = server.Send([]byte("de"), &d.From, &SendControl{TTL: -1, HopLimit: -1, PktInfo: &PktInfo{Local: mapped}})
	ok(t, "answer", en)
	d, got := receive(t, client)
	if string(got) != "de" || d.From.AddrPort != to.AddrPort {
		t.Errorf("answer %q from %v", got, d.From)
	}
	foreign := &PktInfo{Local: far4}
	_, en = client.Send([]byte("x"), &to, &SendControl{TTL: -1, HopLimit: -1, PktInfo: foreign})
	want(t, "foreign source", en, unix.EINVAL)

	six := udpSocket(t, s, Inet6)
	to6 := at("[::1]:4000")
	_, en = six.Send([]byte("abc"), &to6, &SendControl{TTL: -1, HopLimit: 9})
	ok(t, "sendto", en)
	d, _ = receive(t, server)
	if d.HopLimit != 9 || d.TClass != 0 || d.TTL != -1 || d.PktInfo == nil || d.PktInfo.Dst != to6.Addr() {
		t.Errorf("control %+v", d)
	}
	buf := make([]byte, 2)
	client.Send([]byte("long one"), &to, nil)
	until(t, server, unix.POLLIN)
	for _, peek := range []bool{true, false} {
		d, en := server.Receive(buf, peek)
		ok(t, "receive", en)
		if d.N != 2 || d.Size != 8 {
			t.Errorf("peek %v: %d of %d", peek, d.N, d.Size)
		}
	}
	_, en = server.Receive(buf, false)
	want(t, "empty", en, unix.EAGAIN)
}

// TestUDPErrors: what the gateway reports reaches SO_ERROR and IP_RECVERR.
func TestUDPErrors(t *testing.T) {
	w := newWorld(t, GatewayConfig{UDP: func(r *UDPRequest) {
		r.Unreachable(Unreachable(r.Dst.Port() - 1))
	}})
	for _, c := range []struct {
		dst      Addr
		plain    unix.Errno // of a connected socket without RECVERR
		recverr  unix.Errno
		typ, cod uint8
		offender netip.Addr
	}{
		{ap(far4, 1), 0, unix.ENETUNREACH, 3, 0, gateway4},
		{ap(far4, 2), 0, unix.EHOSTUNREACH, 3, 1, gateway4},
		{ap(far4, 3), unix.ECONNREFUSED, unix.ECONNREFUSED, 3, 3, far4},
		{ap(far4, 4), unix.EHOSTUNREACH, unix.EHOSTUNREACH, 3, 13, gateway4},
		{ap(far6, 1), 0, unix.ENETUNREACH, 1, 0, gateway6},
		{ap(far6, 2), 0, unix.EHOSTUNREACH, 1, 3, gateway6},
		{ap(far6, 3), unix.ECONNREFUSED, unix.ECONNREFUSED, 1, 4, far6},
		{ap(far6, 4), unix.EACCES, unix.EACCES, 1, 1, gateway6},
	} {
		f, o := Inet4, RecvErr4
		if c.dst.Addr().Is6() {
			f, o = Inet6, RecvErr6
		}
		if c.plain != 0 {
			e := udpSocket(t, w.host, f)
			ok(t, "connect", e.Connect(c.dst))
			_, en := e.Send([]byte("hello"), nil, nil)
			ok(t, "send", en)
			until(t, e, unix.POLLERR)
			_, en = e.Receive(make([]byte, 1), false)
			want(t, "receive "+c.dst.String(), en, c.plain)
			_, en = e.Receive(make([]byte, 1), false)
			want(t, "receive again", en, unix.EAGAIN)
		}
		e := udpSocket(t, w.host, f)
		ok(t, "recverr", e.SetBool(o, true))
		_, en := e.Send([]byte("hello"), &c.dst, nil)
		ok(t, "send", en)
		if got := until(t, e, unix.POLLERR); got&unix.POLLERR == 0 {
			t.Errorf("events %#x", got)
		}
		q, found := e.TakeQueuedError()
		if !found || q.Errno != c.recverr || q.Type != c.typ || q.Code != c.cod ||
			q.Offender.Addr() != c.offender || q.Dst.AddrPort != c.dst.AddrPort || string(q.Payload) != "hello" {
			t.Errorf("%v: queued %+v", c.dst, q)
		}
		want(t, "SO_ERROR after the queue", e.TakeError(), 0)
		if _, found := e.TakeQueuedError(); found {
			t.Error("queued twice")
		}
	}
}

// TestForwardedDatagram: datagrams reach the gateway with what their sockets
// ask of the way, are answered with TTL and TOS, and a closed port is told of.
func TestForwardedDatagram(t *testing.T) {
	got := make(chan ForwardedDatagram, 1)
	gone := make(chan netip.AddrPort, 1)
	var w *world
	w = newWorld(t, GatewayConfig{
		Datagram: func(d ForwardedDatagram) {
			if err := w.far.SendDatagram(d.Dst, d.Src, Way{TTL: 44, TOS: 0x29}, []byte("answer")); err != nil {
				t.Error(err)
			}
			got <- d.Hold()
		},
		Gone: func(src, dst netip.AddrPort) { gone <- dst },
	})
	for _, c := range []struct {
		disc int
		four Fragment
		six  Fragment
	}{
		{unix.IP_PMTUDISC_DONT, FragmentAnywhere, FragmentAtSource},
		{unix.IP_PMTUDISC_WANT, FragmentAtSource, FragmentAtSource},
		{unix.IP_PMTUDISC_DO, FragmentNever, FragmentNever},
		{unix.IP_PMTUDISC_PROBE, FragmentNever, FragmentNever},
	} {
		for _, dst := range []Addr{ap(far4, 53), ap(far6, 53)} {
			f, hops, class, fragment := Inet4, TTL, TOS, c.four
			if dst.Addr().Is6() {
				f, hops, class, fragment = Inet6, HopLimit, TClass, c.six
			}
			e := udpSocket(t, w.host, f)
			ok(t, "connect", e.Connect(dst))
			ok(t, "hops", e.SetInt(hops, 7))
			ok(t, "class", e.SetInt(class, 0x48))
			ok(t, "discover", e.SetInt(MTUDiscover, c.disc))
			_, en := e.Send([]byte("question"), nil, nil)
			ok(t, "send", en)
			d := <-got
			b := make([]byte, 100)
			if n := d.Payload(b); d.Dst != dst.AddrPort || string(b[:n]) != "question" || d.Way != (Way{7, 0x48, fragment}) {
				t.Errorf("discover %d: to %v, %q, %+v", c.disc, d.Dst, b[:n], d.Way)
			}
			until(t, e, unix.POLLIN)
			in, en := e.Receive(b, false)
			ok(t, "receive", en)
			if string(b[:in.N]) != "answer" || max(in.TTL, in.HopLimit) != 44 || max(in.TOS, in.TClass) != 0x29 {
				t.Errorf("received %q, %+v", b[:in.N], in)
			}
			e.Close()
			w.far.SendDatagram(d.Dst, d.Src, Way{TTL: 44}, []byte("late"))
			if to := <-gone; to != d.Src {
				t.Errorf("%v is gone, want %v", to, d.Src)
			}
			d.Release()
		}
	}
}

func TestErrorQueueBound(t *testing.T) {
	s := newLoop(t)
	e := udpSocket(t, s, Inet4)
	ok(t, "recverr", e.SetBool(RecvErr4, true))
	to := at("127.0.0.1:9")
	for range maxQueuedErrors + 5 {
		if _, en := e.Send([]byte("x"), &to, nil); en != 0 && en != unix.ECONNREFUSED {
			t.Fatal(en)
		}
		e.TakeError()
	}
	n := 0
	for {
		if _, found := e.TakeQueuedError(); !found {
			break
		}
		n++
	}
	if n != maxQueuedErrors || s.Stats().ErrorQueueDropped != 5 {
		t.Errorf("%d queued, %d dropped", n, s.Stats().ErrorQueueDropped)
	}
}

// TestMTUDiscover: with IP_PMTUDISC_DO what is larger than the MTU is refused
// and the error queue tells the MTU.
func TestMTUDiscover(t *testing.T) {
	a, b := newLinkOf(t, 1400)
	host, err := NewHost(hostConfig(a))
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	t.Cleanup(host.Close)
	e := udpSocket(t, host, Inet4)
	ok(t, "mtu discover", e.SetInt(MTUDiscover, unix.IP_PMTUDISC_DO))
	ok(t, "recverr", e.SetBool(RecvErr4, true))
	to := ap(far4, 9)
	_, en := e.Send(make([]byte, 1400-27), &to, nil)
	want(t, "too big", en, unix.EMSGSIZE)
	q, found := e.TakeQueuedError()
	if !found || q.Errno != unix.EMSGSIZE || q.Origin != unix.SO_EE_ORIGIN_LOCAL || q.Info != 1400 {
		t.Errorf("queued %+v", q)
	}
}

func TestMulticast(t *testing.T) {
	s := newLoop(t)
	group := netip.MustParseAddr("224.0.0.251")
	r := udpSocket(t, s, Inet4)
	ok(t, "bind", r.Bind(at("0.0.0.0:5353")))
	want(t, "not a group", r.JoinGroup(Membership{Addr: far4, NIC: 0}), unix.EINVAL)
	want(t, "no device", r.JoinGroup(Membership{Addr: group, NIC: 7}), unix.ENODEV)
	ok(t, "join", r.JoinGroup(Membership{Addr: group, NIC: Loopback}))
	want(t, "join again", r.JoinGroup(Membership{Addr: group, NIC: Loopback}), unix.EADDRINUSE)
	snd := udpSocket(t, s, Inet4)
	ok(t, "multicast if", snd.SetMulticastInterface(Loopback, netip.Addr{}))
	to := ap(group, 5353)
	_, en := snd.Send([]byte("mdns"), &to, nil)
	ok(t, "send", en)
	d, got := receive(t, r)
	if string(got) != "mdns" || d.TTL != 1 || d.PktInfo.Dst != group || d.PktInfo.Local.String() != "127.0.0.1" {
		t.Errorf("%q %+v %+v", got, d, d.PktInfo)
	}
	ok(t, "leave", r.LeaveGroup(Membership{Addr: group, NIC: Loopback}))
	want(t, "leave again", r.LeaveGroup(Membership{Addr: group, NIC: Loopback}), unix.EADDRNOTAVAIL)
}
