package icmp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/bpf"
)

// vm runs a socket filter as the kernel would.
type vm struct{ *bpf.VM }

func newVM(tb testing.TB, program []bpf.Instruction) vm {
	tb.Helper()
	v, err := bpf.NewVM(program)
	if err != nil {
		tb.Fatal(err)
	}
	return vm{v}
}

func (v vm) run(tb testing.TB, packet []byte) int {
	tb.Helper()
	n, err := v.Run(packet)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// quote6 is an IPv6 packet with an echo request, or its first fragment.
func quote6(fragment bool, id, seq uint16, data []byte) []byte {
	m := append([]byte{icmpv6EchoRequest, 0, 0, 0, byte(id >> 8), byte(id), byte(seq >> 8), byte(seq)}, data...)
	next := byte(protoICMPv6)
	if fragment {
		next, m = protoFragment, append([]byte{protoICMPv6, 0, 0, 1, 9, 9, 9, 9}, m...)
	}
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, next, 1
	binary.BigEndian.PutUint16(h[4:], uint16(len(m)))
	dst := addr("2001:db8::1").As16()
	copy(h[24:], dst[:])
	return append(h, m...)
}

// RFC 1071 section 3's example.
func TestChecksum(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := fold(addChecksum(0, b)); got != 0xddf2 {
		t.Fatalf("sum %#x", got)
	}
	for n := range 70 { // every length and alignment agrees with the definition
		data, want := pattern(n), uint64(0)
		for i, c := range data {
			want += uint64(c) << (8 * (1 - i%2))
		}
		if got := fold(addChecksum(0, data)); got != fold(want) {
			t.Fatalf("%d bytes: %#x, want %#x", n, got, fold(want))
		}
	}
}

func errorMessage(typ, code byte, second uint32, quoted []byte) []byte {
	b := []byte{typ, code, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(b[4:], second)
	return append(b, quoted...)
}

func TestParseError(t *testing.T) {
	near, dst4, dst6 := addr("10.0.0.2"), addr("8.8.8.8"), addr("2001:db8::1")
	data := pattern(40)
	q4, q6, q6f := quote4(near, dst4, 0xabcd, 7, data), quote6(false, 0xabcd, 7, data), quote6(true, 0xabcd, 7, data)
	options := bytes.Clone(q4[:20])
	options[0] = 0x46
	binary.BigEndian.PutUint16(options[2:], uint16(len(q4)+4))
	options = append(append(options, 0x94, 4, 0, 0), q4[20:]...) // router alert
	later := bytes.Clone(q4)
	later[7] = 1 // fragment offset
	extended := append(append(bytes.Clone(q4), make([]byte, 128-len(q4))...), 0x20, 0, 0xff, 0xff, 0, 8, 1, 1, 1, 2, 3, 4)
	for _, c := range []struct {
		name string
		f    family
		b    []byte
		ok   bool
		info uint32
		size int
	}{
		{"time exceeded", inet, errorMessage(11, 0, 0, q4), true, 0, 40},
		{"quoted the least", inet, errorMessage(11, 0, 0, q4[:28]), true, 0, 0},
		{"quoted less", inet, errorMessage(11, 0, 0, q4[:27]), false, 0, 0},
		{"fragmentation needed", inet, errorMessage(3, 4, 1300, q4), true, 1300, 40},
		{"parameter problem", inet, errorMessage(12, 0, 9<<24, q4), true, 9, 40},
		{"with IP options", inet, errorMessage(3, 1, 0, options), true, 0, 40},
		{"with RFC 4884 extensions", inet, errorMessage(11, 0, 32<<16, extended), true, 0, 40},
		{"redirect", inet, errorMessage(5, 1, 0, q4), false, 0, 0},
		{"source quench", inet, errorMessage(4, 0, 0, q4), false, 0, 0},
		{"later fragment", inet, errorMessage(11, 0, 0, later), false, 0, 0},
		{"quotes a reply", inet, errorMessage(3, 1, 0, append(bytes.Clone(q4[:20]), message4(0, 0, 0xabcd, 7, nil)...)), false, 0, 0},
		{"v6 too big", inet6, errorMessage(2, 0, 1280, q6), true, 1280, 40},
		{"v6 fragment too big", inet6, errorMessage(2, 0, 1280, q6f), true, 1280, 40},
		{"v6 parameter problem", inet6, errorMessage(4, 1, 40, q6), true, 40, 40},
		{"v6 quoted less", inet6, errorMessage(1, 0, 0, q6[:47]), false, 0, 0},
		{"v6 redirect", inet6, errorMessage(137, 0, 0, q6), false, 0, 0},
	} {
		e, ok := parseError(c.f, c.b)
		if ok != c.ok {
			t.Errorf("%s: %t, %+v", c.name, ok, e)
			continue
		}
		packet, filter := c.b, filter6(0xabc0, 0xfff0)
		if c.f == inet {
			packet, filter = append(quote4(near, near, 0, 0, nil)[:20], c.b...), filter4(0xabc0, 0xfff0)
		}
		if passes := newVM(t, filter).run(t, packet) != 0; c.ok && !passes {
			t.Errorf("%s: the filter drops it", c.name)
		}
		dst := dst4
		if c.f == inet6 {
			dst = dst6
		}
		if ok && (e.id != 0xabcd || e.seq != 7 || e.dst != dst || e.info != c.info || len(e.data) != c.size) {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}

func TestFiltersDropForeign(t *testing.T) {
	near, dst := addr("10.0.0.2"), addr("8.8.8.8")
	v4, v6 := newVM(t, filter4(0xabc0, 0xfff0)), newVM(t, filter6(0xabc0, 0xfff0))
	ip := quote4(dst, near, 0, 0, nil)[:20]
	optioned := append(bytes.Clone(ip), 0x94, 4, 0, 0)
	optioned[0] = 0x46
	on := func(header, message []byte) []byte { return append(bytes.Clone(header), message...) }
	echo6 := func(typ byte, id uint16) []byte {
		return []byte{typ, 0, 0, 0, byte(id >> 8), byte(id), 0, 1}
	}
	udp := quote4(near, dst, 0xabc1, 1, nil)
	udp[9] = 17
	for _, c := range []struct {
		name   string
		filter vm
		packet []byte
		pass   bool
	}{
		{"own reply", v4, on(ip, message4(0, 0, 0xabc0, 1, nil)), true},
		{"own reply, last id", v4, on(ip, message4(0, 0, 0xabcf, 1, nil)), true},
		{"own reply behind IP options", v4, on(optioned, message4(0, 0, 0xabc5, 1, nil)), true},
		{"id below", v4, on(ip, message4(0, 0, 0xabbf, 1, nil)), false},
		{"id above", v4, on(ip, message4(0, 0, 0xabd0, 1, nil)), false},
		{"request", v4, on(ip, message4(8, 0, 0xabc0, 1, nil)), false},
		{"timestamp reply", v4, on(ip, message4(14, 0, 0xabc0, 1, nil)), false},
		{"cut", v4, on(ip, message4(0, 0, 0xabc0, 1, nil)[:5]), false},
		{"error, foreign id", v4, on(ip, errorMessage(11, 0, 0, quote4(near, dst, 0xabd0, 1, nil))), false},
		{"error about UDP", v4, on(ip, errorMessage(11, 0, 0, udp)), false},
		{"error about the number of echo request as protocol", v4, on(ip, errorMessage(11, 0, 0, func() []byte {
			q := quote4(near, dst, 0xabc1, 1, nil)
			q[9] = icmpv4EchoRequest
			return q
		}())), false},
		{"v6 own reply", v6, echo6(129, 0xabc3), true},
		{"v6 foreign reply", v6, echo6(129, 0xabd3), false},
		{"v6 request", v6, echo6(128, 0xabc3), false},
		{"v6 neighbour advertisement", v6, echo6(136, 0xabc3), false},
		{"v6 error, foreign id", v6, errorMessage(3, 0, 0, quote6(false, 0xabd0, 1, nil)), false},
		{"v6 fragment error, foreign id", v6, errorMessage(2, 0, 0, quote6(true, 0xabd0, 1, nil)), false},
		{"nothing", v6, nil, false},
	} {
		if got := c.filter.run(t, c.packet) != 0; got != c.pass {
			t.Errorf("%s: passes %t", c.name, got)
		}
	}
}

func TestTable(t *testing.T) {
	a, b := addr("192.0.2.1"), addr("::ffff:c000:201").Next()
	tb := newTable(2, 65535)
	now := int64(1)
	i, ok := tb.put(&Request{Dst: a, ID: 1, Seq: 2, Token: 3}, now)
	if !ok || i != 65535 {
		t.Fatal(i, ok)
	}
	if tb.find(i, b, now) != nil || tb.find(i+1, a, now) != nil || tb.find(1<<20, a, now) != nil {
		t.Fatal("found what is not there")
	}
	s := tb.find(i, a, now)
	if r := s.reply(EchoReply); r.Token != 3 || r.ID != 1 || r.Seq != 2 || r.Dst != a {
		t.Fatalf("%+v", r)
	}
	s.answered(now)
	if tb.find(i, a, now+int64(answeredLife)-1) == nil {
		t.Fatal("no time for a duplicate")
	}
	if tb.find(i, a, now+int64(answeredLife)) != nil {
		t.Fatal("still there")
	}
	for range 2*blockSlots - 1 { // the first slot is busy and passed over
		if _, ok := tb.put(&Request{Dst: netip.IPv6LinkLocalAllRouters()}, now); !ok {
			t.Fatal("full too early")
		}
	}
	if _, ok := tb.put(&Request{Dst: a}, now); ok || tb.len() != 2*blockSlots {
		t.Fatal("not full")
	}
	if _, ok := tb.put(&Request{Dst: a}, now+int64(unansweredLife)); !ok {
		t.Fatal("nothing expires")
	}
}

func TestPacer(t *testing.T) {
	now := int64(0)
	p := newPacer(now)
	sent := 0
	for range 100 { // two seconds of turns, each after the pause asked for
		n := p.allow(now)
		p.spend(n)
		sent += n
		pause := p.pause()
		if pause <= 0 || pause > time.Millisecond {
			t.Fatalf("pause %v", pause)
		}
		now += int64(pause)
	}
	want := maxBurst + float64(now)/1e9*maxRate
	if diff := float64(sent) - want; diff > 1 || diff < -maxBatch {
		t.Fatalf("%d sent in %v, want %.0f", sent, time.Duration(now), want)
	}
	if n := p.allow(now + int64(time.Hour)); n != maxBurst {
		t.Fatalf("burst of %d", n)
	}
}
