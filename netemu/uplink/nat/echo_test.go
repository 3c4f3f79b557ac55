package nat

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/icmp"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
)

// network is an Echoer whose answers a test decides on: it stands for the
// real network, which package icmp's own tests reach.
type network struct {
	mu       sync.Mutex
	receiver func(icmp.Reply)
	sent     []icmp.Request
	answer   func(icmp.Request) []icmp.Reply
	errno    unix.Errno
}

func (n *network) SetReceiver(f func(icmp.Reply)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.receiver = f
}

func (n *network) Send(r icmp.Request) unix.Errno {
	n.mu.Lock()
	n.sent = append(n.sent, r)
	answer, receiver, errno := n.answer, n.receiver, n.errno
	n.mu.Unlock()
	if errno == 0 && answer != nil {
		for _, reply := range answer(r) {
			reply.Token = r.Token
			receiver(reply)
		}
	}
	return errno
}

// ping is a raw ICMP socket of the sandbox that has asked dst once.
func (r *rig) ping(dst netip.Addr, ttl, tos int, payload string) *stack.Endpoint {
	r.t.Helper()
	family, proto, typ := stack.Inet4, uint8(unix.IPPROTO_ICMP), byte(8)
	if dst.Is6() {
		family, proto, typ = stack.Inet6, unix.IPPROTO_ICMPV6, 128
	}
	e, errno := r.host.NewRaw(family, proto)
	if errno != 0 {
		r.t.Fatal(errno)
	}
	r.t.Cleanup(e.Close)
	if family == stack.Inet4 {
		e.SetBool(stack.RecvErr4, true)
		e.SetInt(stack.TTL, ttl)
		e.SetInt(stack.TOS, tos)
	} else {
		e.SetBool(stack.RecvErr6, true)
		e.SetInt(stack.HopLimit, ttl)
		e.SetInt(stack.TClass, tos)
	}
	msg := append([]byte{typ, 0, 0, 0, 0x12, 0x34, 0, 7}, payload...)
	if family == stack.Inet4 {
		sum := ^checksum(msg)
		msg[2], msg[3] = byte(sum>>8), byte(sum)
	}
	if _, errno = e.Send(msg, &stack.Addr{AddrPort: netip.AddrPortFrom(dst, 0)}, nil); errno != 0 {
		r.t.Fatal(errno)
	}
	return e
}

// checksum is RFC 1071's sum of b, whose length is even.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// received waits for a datagram that is no echo request.
func received(e *stack.Endpoint, buf []byte) (stack.Datagram, bool) {
	var d stack.Datagram
	ok := eventually(func() bool {
		got, errno := e.Receive(buf, false)
		d = got
		return errno == 0
	})
	return d, ok
}

func TestEchoReply(t *testing.T) {
	for _, dst := range []string{"8.8.8.8", "2001:4860:4860::8888"} {
		t.Run(dst, func(t *testing.T) {
			addr := netip.MustParseAddr(dst)
			far := &network{answer: func(q icmp.Request) []icmp.Reply {
				reply := icmp.Reply{Kind: icmp.EchoReply, From: q.Dst, TTL: 57, Payload: q.Payload}
				return []icmp.Reply{reply, reply} // a duplicate is handed on
			}}
			r := newRig(t, Config{Echo: far})
			e := r.ping(addr, 33, 0x48, "payload!")
			for range 2 {
				buf := make([]byte, 256)
				d, ok := received(e, buf)
				if !ok {
					t.Fatal("no reply")
				}
				icmpHeader := 0
				if addr.Is4() {
					icmpHeader = 20
				}
				msg := buf[icmpHeader:d.N]
				ttl := d.TTL
				if addr.Is6() {
					ttl = d.HopLimit
				}
				if d.From.Addr() != addr || ttl != 57 || string(msg[4:]) != "\x12\x34\x00\x07payload!" {
					t.Errorf("from %v, TTL %d, %q", d.From, ttl, msg)
				}
			}
			far.mu.Lock()
			defer far.mu.Unlock()
			if len(far.sent) != 1 {
				t.Fatalf("%d requests, want 1", len(far.sent))
			}
			q := far.sent[0]
			if q.Dst != addr || q.TTL != 33 || q.TOS != 0x48 || q.ID != 0x1234 || q.Seq != 7 {
				t.Errorf("request %+v", q)
			}
		})
	}
}

// TestEchoError: errors come from the real offender with type, code and info,
// and failures of the host itself from the gateway.
func TestEchoError(t *testing.T) {
	router4, router6 := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")
	dst4, dst6 := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2001:4860:4860::8888")
	none := &network{errno: unix.EHOSTUNREACH}
	fails := func(errno unix.Errno) *network {
		return &network{answer: func(icmp.Request) []icmp.Reply {
			return []icmp.Reply{{Kind: icmp.SendFailure, Errno: errno}}
		}}
	}
	says := func(from netip.Addr, typ, code uint8, info uint32) *network {
		return &network{answer: func(icmp.Request) []icmp.Reply {
			return []icmp.Reply{{Kind: icmp.Error, From: from, Type: typ, Code: code, Info: info}}
		}}
	}
	for name, c := range map[string]struct {
		echo      Echoer
		dst       netip.Addr
		offender  netip.Addr
		typ, code uint8
		info      uint32
		errno     unix.Errno
	}{
		"time exceeded 4":  {says(router4, 11, 0, 0), dst4, router4, 11, 0, 0, unix.EHOSTUNREACH},
		"time exceeded 6":  {says(router6, 3, 0, 0), dst6, router6, 3, 0, 0, unix.EHOSTUNREACH},
		"unreachable 4":    {says(router4, 3, 1, 0), dst4, router4, 3, 1, 0, unix.EHOSTUNREACH},
		"too big 4":        {says(router4, 3, 4, 1400), dst4, router4, 3, 4, 1400, unix.EMSGSIZE},
		"too big 6":        {says(router6, 2, 0, 1400), dst6, router6, 2, 0, 1400, unix.EMSGSIZE},
		"helper is down 4": {none, dst4, uplink.Gateway4, 3, 1, 0, unix.EHOSTUNREACH},
		"helper is down 6": {none, dst6, uplink.Gateway6, 1, 3, 0, unix.EHOSTUNREACH},
		"no route 4":       {fails(unix.ENETUNREACH), dst4, uplink.Gateway4, 3, 0, 0, unix.ENETUNREACH},
		"no route 6":       {fails(unix.ENETUNREACH), dst6, uplink.Gateway6, 1, 0, 0, unix.ENETUNREACH},
		"firewall 4":       {fails(unix.EPERM), dst4, uplink.Gateway4, 3, 13, 0, unix.EHOSTUNREACH},
		"firewall 6":       {fails(unix.EPERM), dst6, uplink.Gateway6, 1, 1, 0, unix.EACCES},
		"no transport 4":   {nil, dst4, uplink.Gateway4, 3, 13, 0, unix.EHOSTUNREACH},
		"no transport 6":   {nil, dst6, uplink.Gateway6, 1, 1, 0, unix.EACCES},
		"not permitted 4":  {says(router4, 0, 0, 0), netip.MustParseAddr("169.254.1.1"), uplink.Gateway4, 3, 0, 0, unix.ENETUNREACH},
		"of the link 4":    {says(router4, 0, 0, 0), netip.MustParseAddr("10.0.2.9"), uplink.Gateway4, 3, 1, 0, unix.EHOSTUNREACH},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{Echo: c.echo})
			e := r.ping(c.dst, 64, 0, "12345678")
			var q stack.QueuedError
			if !eventually(func() bool { got, ok := e.TakeQueuedError(); q = got; return ok }) {
				t.Fatalf("no error came; %+v", r.nat.Stats())
			}
			if q.Offender.Addr() != c.offender || q.Type != c.typ || q.Code != c.code || q.Info != c.info || q.Errno != c.errno {
				t.Errorf("from %v: type %d code %d info %d, %v; want %+v", q.Offender, q.Type, q.Code, q.Info, q.Errno, c)
			}
		})
	}
}

// TestEchoOfTheGateway: its own addresses answer without any transport.
func TestEchoOfTheGateway(t *testing.T) {
	r := newRig(t, Config{})
	for _, dst := range []netip.Addr{uplink.Gateway4, uplink.Nameserver4, uplink.Gateway6, uplink.Nameserver6} {
		e := r.ping(dst, 64, 0, "12345678")
		d, ok := received(e, make([]byte, 256))
		if !ok || d.From.Addr() != dst {
			t.Errorf("%v: from %v, %v", dst, d.From, ok)
		}
	}
	if got := r.nat.Stats(); got.EchoSent != 0 || got.Denied != 0 {
		t.Errorf("counted %+v", got)
	}
}

// TestEchoNeverForged: silence of the network is silence.
func TestEchoNeverForged(t *testing.T) {
	far := &network{}
	r := newRig(t, Config{Echo: far})
	e := r.ping(netip.MustParseAddr("8.8.8.8"), 64, 0, "12345678")
	if !eventually(func() bool { return r.nat.Stats().EchoSent == 1 }) {
		t.Fatal("nothing was sent")
	}
	// Replies to what was never asked are dropped.
	far.receiver(icmp.Reply{Token: 99, Kind: icmp.EchoReply, From: netip.MustParseAddr("8.8.8.8"), TTL: 64})
	// The gateway's own answer comes later than any forged one.
	if _, ok := received(r.ping(uplink.Gateway4, 64, 0, "12345678"), make([]byte, 256)); !ok {
		t.Fatal("the gateway is silent")
	}
	buf := make([]byte, 256)
	for {
		d, errno := e.Receive(buf, false)
		if errno != 0 {
			break
		}
		if d.From.Addr() != uplink.Gateway4 {
			t.Errorf("a reply from %v", d.From)
		}
	}
	if _, ok := e.TakeQueuedError(); ok {
		t.Error("an error came")
	}
}

func TestEchoTable(t *testing.T) {
	var table echoTable
	table.init()
	table.max = 3
	now := time.Unix(1000, 0)
	raw := make([]byte, 4000)
	var tokens []uint64
	for i := range 4 {
		token, evicted := table.add(stack.Echo{Seq: uint16(i), Raw: raw, Payload: raw}, now)
		if evicted != (i == 3) {
			t.Errorf("request %d: evicted %v", i, evicted)
		}
		tokens = append(tokens, token)
	}
	for i, token := range tokens {
		e, ok := table.find(token)
		if ok != (i > 0) || ok && (int(e.Seq) != i || len(e.Raw) != maxQuote || e.Payload != nil) {
			t.Errorf("request %d: found %v, %d bytes", i, ok, len(e.Raw))
		}
	}
	table.forget(tokens[2])
	if _, ok := table.find(tokens[2]); ok {
		t.Error("found after forget")
	}
	if _, evicted := table.add(stack.Echo{}, now.Add(echoLife)); evicted || len(table.waiting) != 1 {
		t.Errorf("expired requests: evicted %v, %d waiting", evicted, len(table.waiting))
	}
	table.close()
	if _, ok := table.find(tokens[3] + 1); ok {
		t.Error("found after close")
	}
}
