package dns

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// upstream runs a real nameserver on loopback, UDP and TCP on one port.
func upstream(t *testing.T, h dns.Handler) netip.AddrPort {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			l.Close() // another socket has that UDP port: take the next one
			continue
		}
		s := NewServer(h, nil)
		t.Cleanup(s.Close)
		if err := s.ServeStream(l); err != nil {
			t.Fatal(err)
		}
		if err := s.ServePacket(pc); err != nil {
			t.Fatal(err)
		}
		return l.Addr().(*net.TCPAddr).AddrPort()
	}
	t.Fatal("no port free for both UDP and TCP")
	return netip.AddrPort{}
}

// rawUpstream answers each datagram with what reply gives; nothing on TCP.
func rawUpstream(t *testing.T, reply func(q []byte) [][]byte) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Add(1)
	t.Cleanup(func() { pc.Close(); wg.Wait() })
	go func() {
		defer wg.Done()
		buf := make([]byte, dns.MaxMsgSize)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, p := range reply(buf[:n]) {
				if _, err := pc.WriteTo(p, from); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

// silent takes questions and never answers.
func silent(t *testing.T) netip.AddrPort {
	return rawUpstream(t, func([]byte) [][]byte { return nil })
}

// refusing is a port on which nothing listens (ICMP port unreachable).
func refusing(t *testing.T) netip.AddrPort {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

func forwarder(t *testing.T, timeout time.Duration, servers ...netip.AddrPort) *Forwarder {
	t.Helper()
	f, err := NewForwarder(Options{Servers: servers, Timeout: timeout, Attempts: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func addrZone(t *testing.T, n int) *Zone {
	z := NewZone()
	for i := range n {
		if err := z.AddHost("name.test", netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})); err != nil {
			t.Fatal(err)
		}
	}
	return z
}

func rcode(code int) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { reply(w, q, failure(q, code)) })
}

const good = "NOERROR; name.test. 60 IN A 192.0.2.0"

func TestForward(t *testing.T) {
	answering := addrZone(t, 1)
	for _, tc := range []struct {
		name    string
		servers []netip.AddrPort
		want    string
	}{
		{"one server", []netip.AddrPort{upstream(t, answering)}, good},
		{"first refuses the port", []netip.AddrPort{refusing(t), upstream(t, answering)}, good},
		{"first is silent", []netip.AddrPort{silent(t), upstream(t, answering)}, good},
		{"two silent", []netip.AddrPort{silent(t), silent(t), upstream(t, answering)}, good},
		{"first says SERVFAIL", []netip.AddrPort{upstream(t, rcode(dns.RcodeServerFailure)), upstream(t, answering)}, good},
		{"first says REFUSED, second silent", []netip.AddrPort{upstream(t, rcode(dns.RcodeRefused)), silent(t)}, "REFUSED"},
		{"NXDOMAIN is an answer", []netip.AddrPort{upstream(t, NewZone()), upstream(t, answering)}, "NXDOMAIN"},
		{"all silent", []netip.AddrPort{silent(t)}, "SERVFAIL"},
		{"all refuse the port", []netip.AddrPort{refusing(t), refusing(t)}, "SERVFAIL"},
		{"no server", nil, "REFUSED"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := forwarder(t, 600*time.Millisecond, tc.servers...)
			if got := brief(serve(t, f, "udp", question("name.test", dns.TypeA))); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
			s := f.Stats()
			if s.Queries != 1 || s.Answered+s.Failed+s.Refused != 1 || s.Dropped != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// A silent first server costs its wait once, not at every question.
func TestForwardPrefersTheServerThatAnswers(t *testing.T) {
	var asked atomic.Int32
	first := rawUpstream(t, func([]byte) [][]byte { asked.Add(1); return nil })
	f := forwarder(t, 400*time.Millisecond, first, upstream(t, addrZone(t, 1)))
	for range 5 {
		if got := brief(serve(t, f, "udp", question("name.test", dns.TypeA))); got != good {
			t.Fatal(got)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the silent server was asked %d times, want 1", n)
	}
}

// What is not the answer is skipped, and the answer after it is taken.
func TestForwardSkipsForgeries(t *testing.T) {
	answer := func(q []byte, change func(m *dns.Msg)) []byte {
		m := new(dns.Msg)
		if err := m.Unpack(q); err != nil {
			t.Error(err)
		}
		a := new(dns.Msg).SetReply(m)
		a.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "name.test.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, 2, 0)}}
		change(a)
		wire, err := a.Pack()
		if err != nil {
			t.Error(err)
		}
		return wire
	}
	forge := func(m *dns.Msg) { m.Answer[0].(*dns.A).A = net.IPv4(203, 0, 113, 66) }
	forgeries := map[string]func(q []byte) []byte{
		"wrong ID":   func(q []byte) []byte { return answer(q, func(m *dns.Msg) { forge(m); m.Id++ }) },
		"other name": func(q []byte) []byte { return answer(q, func(m *dns.Msg) { forge(m); m.Question[0].Name = "x.test." }) },
		"other type": func(q []byte) []byte {
			return answer(q, func(m *dns.Msg) { forge(m); m.Question[0].Qtype = dns.TypeNS })
		},
		"no question":    func(q []byte) []byte { return answer(q, func(m *dns.Msg) { forge(m); m.Question = nil }) },
		"a question":     func(q []byte) []byte { return answer(q, func(m *dns.Msg) { forge(m); m.Response = false }) },
		"empty":          func([]byte) []byte { return nil },
		"short":          func(q []byte) []byte { return q[:5] },
		"random":         func(q []byte) []byte { return append(append([]byte{}, q[:2]...), strings.Repeat("\xff\xc0", 300)...) },
		"pointer loop":   func(q []byte) []byte { return append(append([]byte{}, q[:12]...), 0xc0, 12, 0, 1, 0, 1) },
		"cut in a label": func(q []byte) []byte { return answer(q, forge)[:len(q)-6] },
	}
	for name, f := range forgeries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both := rawUpstream(t, func(q []byte) [][]byte { return [][]byte{f(q), answer(q, func(*dns.Msg) {})} })
			if got := brief(serve(t, forwarder(t, 5*time.Second, both), "udp", question("name.test", dns.TypeA))); got != good {
				t.Error("before the answer:", got)
			}
			only := rawUpstream(t, func(q []byte) [][]byte { return [][]byte{f(q)} })
			if got := brief(serve(t, forwarder(t, 100*time.Millisecond, only), "udp", question("name.test", dns.TypeA))); got != "SERVFAIL" {
				t.Error("alone:", got)
			}
		})
	}
}

func TestForwardTruncated(t *testing.T) {
	const n = 200 // A records: far more than 512 bytes
	server := upstream(t, addrZone(t, n))
	f := forwarder(t, 5*time.Second, server)
	if m := serve(t, f, "tcp", question("name.test", dns.TypeA)); len(m.Answer) != n || m.Truncated {
		t.Errorf("asked over TCP: %d records, TC %v; want %d and false", len(m.Answer), m.Truncated, n)
	}
	m := serve(t, f, "udp", question("name.test", dns.TypeA))
	if len(m.Answer) == 0 || len(m.Answer) >= n || !m.Truncated {
		t.Errorf("asked over UDP: %d records, TC %v; want some and true", len(m.Answer), m.Truncated)
	}
	q := question("name.test", dns.TypeA)
	q.SetEdns0(8192, false)
	if m := serve(t, f, "udp", q); len(m.Answer) != n || m.Truncated {
		t.Errorf("asked with EDNS 8192: %d records, TC %v; want %d and false", len(m.Answer), m.Truncated, n)
	}
	// TCP does not work: the cut answer is passed on with its TC bit.
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if network == "tcp" {
			return nil, net.ErrClosed
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	f, err := NewForwarder(Options{Servers: []netip.AddrPort{server}, Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m := serve(t, f, "tcp", question("name.test", dns.TypeA)); !m.Truncated || len(m.Answer) == 0 {
		t.Errorf("without TCP: %d records, TC %v; want some and true", len(m.Answer), m.Truncated)
	}
}

// EDNS options, the DO bit, and unknown record types go through both ways.
func TestForwardTransparent(t *testing.T) {
	var seen atomic.Pointer[dns.Msg]
	server := upstream(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		seen.Store(q.Copy())
		m := newReply(q)
		m.AuthenticatedData = true
		m.Answer = []dns.RR{&dns.RFC3597{Hdr: dns.RR_Header{Name: "name.test.", Rrtype: 65280, Class: dns.ClassINET, Ttl: 7}, Rdata: "0102ff"}}
		reply(w, q, m)
	}))
	q := question("NaMe.test", 65280)
	q.SetEdns0(4096, true)
	q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: []byte("x")}}
	m := serve(t, forwarder(t, 5*time.Second, server), "udp", q)
	up := seen.Load()
	if opt := up.IsEdns0(); opt == nil || opt.UDPSize() != 4096 || !opt.Do() || len(opt.Option) != 1 {
		t.Errorf("upstream saw EDNS %v", opt)
	}
	if up.Question[0].Name != "NaMe.test." || !up.RecursionDesired {
		t.Errorf("upstream saw %v", up)
	}
	if !m.AuthenticatedData || len(m.Answer) != 1 || m.Answer[0].String() != "name.test.\t7\tCLASS1\tTYPE65280\t\\# 3 0102ff" {
		t.Errorf("answer %v", m)
	}
}

func TestForwarderRefusesItself(t *testing.T) {
	own := []netip.AddrPort{netip.AddrPortFrom(nameserver, Port)}
	if _, err := NewForwarder(Options{Servers: own, Own: own}); err == nil || !strings.Contains(err.Error(), "own resolver") {
		t.Errorf("loop: %v", err)
	}
	if _, err := NewForwarder(Options{Servers: own}); err != nil {
		t.Errorf("10.0.2.3 of the host: %v", err)
	}
	if _, err := NewForwarder(Options{Servers: []netip.AddrPort{{}}}); err == nil {
		t.Error("the zero address was taken")
	}
}

// The bound drops what is beyond it and counts that; Close ends all the rest
// at once.
func TestForwarderBoundAndClose(t *testing.T) {
	f := forwarder(t, time.Hour, silent(t))
	const extra = 100
	total := maxInFlight + maxWaiting + extra
	var wg sync.WaitGroup
	var answered atomic.Int32
	for range total {
		wg.Add(1)
		go func() {
			defer wg.Done()
			w := &recorder{network: "udp"}
			f.ServeDNS(w, question("name.test", dns.TypeA))
			answered.Add(int32(len(w.wires)))
		}()
	}
	for deadline := time.Now().Add(20 * time.Second); f.Stats().Dropped < extra || len(f.inFlight) < maxInFlight; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %d in flight after 20 s", f.Stats(), len(f.inFlight))
		}
	}
	f.Close()
	wg.Wait()
	s := f.Stats()
	if s.Queries != uint64(total) || s.Failed+s.Dropped != uint64(total) || s.Failed != uint64(answered.Load()) {
		t.Errorf("%+v, %d answers", s, answered.Load())
	}
	if s.Failed < maxInFlight {
		t.Errorf("%d questions were in flight, want at least %d", s.Failed, maxInFlight)
	}
}
