package stack

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"netbox/netemu/link"
)

func newLinkOf(t *testing.T, mtu int) (a, b link.Endpoint) {
	t.Helper()
	return link.New(mtu)
}

// echoRequest is an ICMP or ICMPv6 echo request; the v6 checksum is the
// stack's business.
func echoRequest(v4 bool, id, seq uint16, payload []byte) []byte {
	m := make([]byte, 8+len(payload))
	m[0] = 8
	if !v4 {
		m[0] = 128
	}
	binary.BigEndian.PutUint16(m[4:], id)
	binary.BigEndian.PutUint16(m[6:], seq)
	copy(m[8:], payload)
	if v4 {
		binary.BigEndian.PutUint16(m[2:], ^checksum.Checksum(m, 0))
	}
	return m
}

// receiveICMP reads from a raw socket until a message of this type comes, and
// returns it without the IP header.
func receiveICMP(t *testing.T, e *Endpoint, typ uint8) (Datagram, []byte) {
	t.Helper()
	for range 50 {
		d, p := receive(t, e)
		if e.family == Inet4 {
			if len(p) < 20 || p[0]>>4 != 4 || int(p[0]&15)*4 > len(p) {
				t.Fatalf("no IP header: % x", p)
			}
			p = p[int(p[0]&15)*4:]
		}
		if len(p) > 0 && p[0] == typ {
			return d, p
		}
	}
	t.Fatalf("no ICMP of type %d", typ)
	return Datagram{}, nil
}

func protoOf(a netip.Addr) (f Family, proto, reply, exceeded uint8) {
	if a.Is4() {
		return Inet4, unix.IPPROTO_ICMP, 0, 11
	}
	return Inet6, unix.IPPROTO_ICMPV6, 129, 3
}

// TestPing: echo to lo, to the own address, to the gateway and beyond it.
func TestPing(t *testing.T) {
	var w *world
	w = newWorld(t, GatewayConfig{Echo: func(e Echo) { w.far.EchoReply(e, e.TTL-9) }})
	payload := bytes.Repeat([]byte("0123456789abcdef"), 4)
	for _, c := range []struct {
		dst string
		ttl int
	}{
		{"127.0.0.1", 64}, {"::1", 64}, {"10.0.2.100", 64}, {"fd00:2::64", 64},
		{"10.0.2.2", 64}, {"10.0.2.3", 64}, {"fd00:2::2", 64},
		{"203.0.113.7", 31}, {"2001:db8::7", 31},
	} {
		dst := netip.MustParseAddr(c.dst)
		f, proto, reply, _ := protoOf(dst)
		e := rawSocket(t, w.host, f, proto)
		ok(t, "ttl", e.SetInt(map[Family]IntOption{Inet4: TTL, Inet6: HopLimit}[f], 40))
		to := ap(dst, 0)
		_, en := e.Send(echoRequest(dst.Is4(), 0x1234, 7, payload), &to, nil)
		ok(t, "send", en)
		d, m := receiveICMP(t, e, reply)
		if d.From.Addr() != dst || binary.BigEndian.Uint16(m[4:]) != 0x1234 || binary.BigEndian.Uint16(m[6:]) != 7 || !bytes.Equal(m[8:], payload) {
			t.Errorf("%s: reply from %v: % x", c.dst, d.From, m)
		}
		if got := max(d.TTL, d.HopLimit); got != c.ttl {
			t.Errorf("%s: reply's TTL %d, want %d", c.dst, got, c.ttl)
		}
		if dst.Is4() && checksum.Checksum(m, 0) != 0xffff {
			t.Errorf("%s: checksum of % x", c.dst, m)
		}
	}
}

// TestTraceroute: the TTL of a probe arrives unchanged, and errors about it
// reach the raw socket, quoting the probe, and its error queue.
func TestTraceroute(t *testing.T) {
	hop := map[bool]netip.Addr{true: netip.MustParseAddr("192.0.2.33"), false: netip.MustParseAddr("2001:db8:ffff::1")}
	var w *world
	w = newWorld(t, GatewayConfig{Echo: func(e Echo) {
		if e.TTL > 1 {
			w.far.EchoReply(e, 50)
			return
		}
		_, _, _, exceeded := protoOf(e.Src)
		w.far.EchoError(e, ICMPError{From: hop[e.Src.Is4()], Type: exceeded})
	}})
	for _, dst := range []netip.Addr{far4, far6} {
		f, proto, reply, exceeded := protoOf(dst)
		e := rawSocket(t, w.host, f, proto)
		ok(t, "recverr", e.SetBool(map[Family]BoolOption{Inet4: RecvErr4, Inet6: RecvErr6}[f], true))
		to := ap(dst, 0)
		probe := echoRequest(dst.Is4(), 77, 1, []byte("probe payload"))
		_, en := e.Send(probe, &to, &SendControl{TTL: 1, HopLimit: 1})
		ok(t, "send", en)
		until(t, e, unix.POLLERR)
		want(t, "SO_ERROR", e.TakeError(), unix.EHOSTUNREACH)
		q, found := e.TakeQueuedError()
		if !found || q.Errno != unix.EHOSTUNREACH || q.Type != exceeded || q.Offender.Addr() != hop[dst.Is4()] || q.Dst.Addr() != dst {
			t.Errorf("queued %+v", q)
		}
		d, m := receiveICMP(t, e, exceeded)
		if d.From.Addr() != hop[dst.Is4()] {
			t.Errorf("time exceeded from %v", d.From)
		}
		quoted := m[8:]
		if !bytes.Contains(quoted, []byte("probe payload")) || !bytes.Contains(quoted, []byte{0, 77, 0, 1}) {
			t.Errorf("quoted % x", quoted)
		}
		if ttl := quoted[map[bool]int{true: 8, false: 7}[dst.Is4()]]; ttl != 1 {
			t.Errorf("quoted TTL %d", ttl)
		}
		_, en = e.Send(probe, &to, &SendControl{TTL: 2, HopLimit: 2})
		ok(t, "send", en)
		receiveICMP(t, e, reply)
	}
}

// TestUDPTimeExceeded: traceroute's default, UDP with IP_RECVERR, hears of
// routers: the gateway's packets are made by hand here.
func TestUDPTimeExceeded(t *testing.T) {
	var w *world
	router := netip.MustParseAddr("192.0.2.33")
	w = newWorld(t, GatewayConfig{UDP: func(r *UDPRequest) {
		w.far.SendError(r.Src.Addr(), ICMPError{From: router, Type: 11}, quotePacket(r.pkt))
	}})
	e := udpSocket(t, w.host, Inet4)
	ok(t, "recverr", e.SetBool(RecvErr4, true))
	to := ap(far4, 33434)
	_, en := e.Send([]byte("probe"), &to, &SendControl{TTL: 1, HopLimit: -1})
	ok(t, "send", en)
	until(t, e, unix.POLLERR)
	q, found := e.TakeQueuedError()
	if !found || q.Type != 11 || q.Errno != unix.EHOSTUNREACH || q.Offender.Addr() != router || q.Dst.AddrPort != to.AddrPort {
		t.Errorf("queued %+v", q)
	}
}

func TestBigEcho(t *testing.T) {
	got := make(chan Echo, 1)
	var w *world
	w = newWorld(t, GatewayConfig{Echo: func(e Echo) {
		w.far.EchoReply(e, 60)
		got <- e
	}})
	e := rawSocket(t, w.host, Inet4, unix.IPPROTO_ICMP)
	payload := bytes.Repeat([]byte{7}, 60000)
	to := ap(far4, 0)
	_, en := e.Send(echoRequest(true, 1, 1, payload), &to, nil)
	ok(t, "send", en)
	_, m := receiveICMP(t, e, 0)
	if !bytes.Equal(m[8:], payload) {
		t.Errorf("reply of %d bytes", len(m))
	}
	q := <-got
	if len(q.Raw) != 20+8+len(payload) || q.TTL != 64 || q.ID != 1 || q.Seq != 1 || q.Src != sandbox4 || q.Dst != far4 {
		t.Errorf("echo %d bytes, %+v", len(q.Raw), q.ID)
	}
}

// TestFragmentedEcho: a ping larger than the MTU goes in fragments, both ways.
func TestFragmentedEcho(t *testing.T) {
	a, b := link.New(1500)
	host, err := NewHost(hostConfig(a))
	if err != nil {
		t.Fatal(err)
	}
	var gw *Stack
	gw, err = NewGateway(GatewayConfig{Link: b, Echo: func(e Echo) { gw.EchoReply(e, 60) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close(); gw.Close() })
	for _, dst := range []netip.Addr{far4, far6} {
		f, proto, reply, _ := protoOf(dst)
		e := rawSocket(t, host, f, proto)
		to := ap(dst, 0)
		for _, size := range []int{1472, 1473, 4000, 65507} {
			payload := bytes.Repeat([]byte{0x5a}, size)
			n, en := e.Send(echoRequest(dst.Is4(), 9, 9, payload), &to, nil)
			ok(t, "send", en)
			if _, m := receiveICMP(t, e, reply); n != 8+size || !bytes.Equal(m[8:], payload) {
				t.Errorf("%v: %d bytes sent, reply of %d", dst, n, len(m))
			}
		}
		_, en := e.Send(make([]byte, 70000), &to, nil)
		want(t, "more than IP can carry", en, unix.EMSGSIZE)
		ok(t, "mtu discover", e.SetInt(MTUDiscover, unix.IP_PMTUDISC_DO))
		_, en = e.Send(echoRequest(dst.Is4(), 9, 9, make([]byte, 1473)), &to, nil)
		want(t, "ping -M do", en, unix.EMSGSIZE)
	}
}

// TestHeaderIncluded: a program's own IP header is sent as it is.
func TestHeaderIncluded(t *testing.T) {
	got := make(chan Echo, 1)
	w := newWorld(t, GatewayConfig{Echo: func(e Echo) { got <- e }})
	e := rawSocket(t, w.host, Inet4, unix.IPPROTO_RAW)
	if v, en := e.GetBool(HeaderIncluded); !v || en != 0 {
		t.Errorf("IPPROTO_RAW: %v %v", v, en)
	}
	pkt := ipPacket(sandbox4, far4, 1, 33, 0, echoRequest(true, 5, 6, []byte("own header")))
	to := ap(far4, 0)
	_, en := e.Send(pkt, &to, nil)
	ok(t, "send", en)
	select {
	case q := <-got:
		if q.TTL != 33 || q.ID != 5 || q.Seq != 6 || string(q.Payload) != "own header" {
			t.Errorf("%+v", q)
		}
	case <-time.After(patience):
		t.Fatal("no echo request")
	}
}
