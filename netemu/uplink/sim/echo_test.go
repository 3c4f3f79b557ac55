package sim

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"netbox/netemu/stack"
)

func TestEcho(t *testing.T) {
	w := newWorld(t, Options{})
	for _, tc := range []struct {
		dst string
		ttl int
	}{
		{"8.8.8.8", 63}, {"1.1.1.1", 63}, {"192.0.2.80", 63}, {"192.0.2.81", 63},
		{"10.0.2.2", 64}, {"10.0.2.3", 64},
		{"2001:4860:4860::8888", 0}, {"2606:4700:4700::1111", 0}, {"2001:db8::80", 0}, {"fd00:2::2", 0}, {"fd00:2::3", 0},
	} {
		p := w.pinger(tc.dst)
		for seq, payload := range []string{"", "abc", strings.Repeat("x", 20000)} {
			p.send(seq, payload)
			m, from, ttl := p.receive(patience)
			if m == nil {
				t.Fatalf("%s: no reply", tc.dst)
			}
			if m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
				t.Fatalf("%s: %v", tc.dst, m.Type)
			}
			e := m.Body.(*icmp.Echo)
			if e.ID != 77 || e.Seq != seq || string(e.Data) != payload || from != p.dst || ttl != tc.ttl {
				t.Errorf("%s: id %d seq %d, %d bytes, from %v, ttl %d", tc.dst, e.ID, e.Seq, len(e.Data), from, ttl)
			}
		}
	}
}

func TestEchoErrors(t *testing.T) {
	o := parsed(t, `
hosts: [{addresses: [203.0.113.1, "2001:db8:1::1"]}]
unreachable:
  - {prefix: 198.51.100.0/25, kind: host}
  - {prefix: 198.51.100.0/24, kind: prohibited}
  - {prefix: "2001:db8:2::/48", kind: host}
  - {prefix: "2001:db8:3::/48", kind: prohibited}
`)
	w := newWorld(t, o)
	for _, tc := range []struct {
		dst  string
		ttl  int // 0: the usual
		typ  icmp.Type
		code int
		from string
	}{
		{"198.51.100.1", 0, ipv4.ICMPTypeDestinationUnreachable, 1, "10.0.2.2"},
		{"198.51.100.129", 0, ipv4.ICMPTypeDestinationUnreachable, 13, "10.0.2.2"},
		{"203.0.113.2", 0, ipv4.ICMPTypeDestinationUnreachable, 0, "10.0.2.2"},
		{"10.0.2.77", 0, ipv4.ICMPTypeDestinationUnreachable, 1, "10.0.2.2"},
		{"203.0.113.1", 1, ipv4.ICMPTypeTimeExceeded, 0, "10.0.2.2"},
		{"198.51.100.1", 1, ipv4.ICMPTypeTimeExceeded, 0, "10.0.2.2"},
		{"203.0.113.1", 2, ipv4.ICMPTypeEchoReply, 0, "203.0.113.1"},
		{"10.0.2.2", 1, ipv4.ICMPTypeEchoReply, 0, "10.0.2.2"},
		{"2001:db8:2::1", 0, ipv6.ICMPTypeDestinationUnreachable, 3, "fd00:2::2"},
		{"2001:db8:3::1", 0, ipv6.ICMPTypeDestinationUnreachable, 1, "fd00:2::2"},
		{"2001:db8:4::1", 0, ipv6.ICMPTypeDestinationUnreachable, 0, "fd00:2::2"},
		{"2001:db8:1::1", 1, ipv6.ICMPTypeTimeExceeded, 0, "fd00:2::2"},
	} {
		p := w.pinger(tc.dst)
		if tc.ttl > 0 {
			option := stack.TTL
			if !p.dst.Is4() {
				option = stack.HopLimit
			}
			if errno := p.e.SetInt(option, tc.ttl); errno != 0 {
				t.Fatal(errno)
			}
		}
		p.send(1, "quoted")
		m, from, _ := p.receive(patience)
		if m == nil {
			t.Errorf("%s: nothing came", tc.dst)
			continue
		}
		if m.Type != tc.typ || m.Code != tc.code || from != netip.MustParseAddr(tc.from) {
			t.Errorf("%s: %v code %d from %v, want %v code %d from %s", tc.dst, m.Type, m.Code, from, tc.typ, tc.code, tc.from)
		}
	}
}

// Silence is told from slowness by an answer that must come after it would.
func TestEchoSilence(t *testing.T) {
	w := newWorld(t, Options{})
	for _, dst := range []string{"192.0.2.82", "2001:db8::82", "224.0.0.251"} {
		p := w.pinger(dst)
		p.send(1, "")
		other := w.pinger("8.8.8.8")
		other.send(1, "")
		if m, _, _ := other.receive(patience); m == nil {
			t.Fatal("8.8.8.8 is silent")
		}
		if m, from, _ := p.receive(0); m != nil && from == p.dst {
			t.Errorf("%s answers: %v", dst, m)
		}
	}
}

func TestEchoConditions(t *testing.T) {
	w := newWorld(t, parsed(t, `
defaults: {delay: 40ms, jitter: 10ms}
hosts:
  - {addresses: [203.0.113.1]}
  - {addresses: [203.0.113.2], loss: 1}
  - {addresses: [203.0.113.3], loss: 50%, delay: 0s, jitter: 0s}
  - {addresses: [203.0.113.4], echo: false}
`))
	p := w.pinger("203.0.113.1")
	for range 5 {
		start := time.Now()
		p.send(1, "")
		m, _, _ := p.receive(patience)
		if d := time.Since(start); m == nil || d < 30*time.Millisecond {
			t.Errorf("answer %v after %v, want one after 30 ms at least", m, d)
		}
	}
	for _, dst := range []string{"203.0.113.2", "203.0.113.4"} {
		silent := w.pinger(dst)
		silent.send(1, "")
		p.send(2, "")
		if m, _, _ := p.receive(patience); m == nil {
			t.Fatal("203.0.113.1 fell silent")
		}
		if m, from, _ := silent.receive(0); m != nil && from == silent.dst {
			t.Errorf("%s answers: %v", dst, m)
		}
	}
	half := w.pinger("203.0.113.3")
	const sent = 400
	for seq := range sent {
		half.send(seq, "")
	}
	got := 0
	for m, _, _ := half.receive(time.Second); m != nil; m, _, _ = half.receive(100 * time.Millisecond) {
		got++
	}
	// Ten standard deviations (10 each) around the mean.
	if got < sent/2-100 || got > sent/2+100 {
		t.Errorf("%d of %d came back at 50 %% loss", got, sent)
	}
}

// Close with packets on their way, and twice.
func TestCloseInFlight(t *testing.T) {
	w := newWorld(t, parsed(t, "hosts: [{addresses: [203.0.113.1], delay: 60s, dns: true}]"))
	p := w.pinger("203.0.113.1")
	for seq := range 100 {
		p.send(seq, "")
	}
	c := w.dialUDP("203.0.113.1:53")
	if _, err := c.Write([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01")); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	w.close()
	if err := w.up.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("Close took %v", d)
	}
}
