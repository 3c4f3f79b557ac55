package icmp

import (
	"bytes"
	"net/netip"
	"testing"
)

// within tells whether part lies in the memory of whole.
func within(part, whole []byte) bool {
	return len(part) == 0 || bytes.Contains(whole, part)
}

func FuzzParseEcho(f *testing.F) {
	for _, v := range []family{inet, inet6} {
		m := make([]byte, echoHeaderLen, 64)
		data := pattern(33)
		putEchoRequest(m, v, 0x1234, 0xfffe, data)
		f.Add(byte(v), append(m, data...))
	}
	f.Add(byte(inet), []byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, v byte, b []byte) {
		fam := inet
		if v%2 == 0 {
			fam = inet6
		}
		e, ok := parseEcho(fam, b)
		if !ok {
			return
		}
		h := make([]byte, echoHeaderLen)
		putEchoRequest(h, fam, e.id, e.seq, e.data)
		if !within(e.data, b) || !bytes.Equal(h[4:8], b[4:8]) || len(b) != echoHeaderLen+len(e.data) {
			t.Fatalf("%x read as %+v", b, e)
		}
		if fam == inet && !checksumOK(append(h, e.data...)) {
			t.Fatalf("wrong checksum %x for %+v", h, e)
		}
	})
}

func FuzzParseError(f *testing.F) {
	quoted := quote4(netip.AddrFrom4([4]byte{10, 0, 0, 1}), netip.AddrFrom4([4]byte{8, 8, 8, 8}), 1, 2, pattern(9))
	f.Add(byte(4), append([]byte{3, 4, 0, 0, 0, 0, 5, 0}, quoted...))
	f.Add(byte(4), append([]byte{11, 0, 0, 0, 0, 8, 0, 0}, append(quoted, pattern(20)...)...))
	f.Add(byte(6), append([]byte{2, 0, 0, 0, 0, 0, 5, 0}, quote6(false, 1, 2, pattern(9))...))
	f.Add(byte(6), append([]byte{3, 0, 0, 0, 7, 0, 0, 0}, quote6(true, 1, 2, pattern(9))...))
	filters := map[family]vm{inet: newVM(f, filter4(0, 0)), inet6: newVM(f, filter6(0, 0))}
	f.Fuzz(func(t *testing.T, v byte, b []byte) {
		fam := inet
		if v%2 == 0 {
			fam = inet6
		}
		e, ok := parseError(fam, b)
		if !ok {
			return
		}
		if !fam.isError(e.typ) || !e.dst.IsValid() || e.dst.Is4() != (fam == inet) || !within(e.data, b) {
			t.Fatalf("%x read as %+v", b, e)
		}
		// What the parser believes, the kernel's filter must let through.
		packet := b
		if fam == inet {
			packet = append(make([]byte, 20), b...)
			packet[0] = 0x45
		}
		if filters[fam].run(t, packet) == 0 {
			t.Fatalf("the filter drops %x", packet)
		}
	})
}

func FuzzProtocolRequests(f *testing.F) {
	f.Add(packRequests(sampleRequests())[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, err := parseRequests(b, nil)
		if err != nil {
			return
		}
		b = bytes.Clone(b)
		copy(b[2:8], make([]byte, 6)) // not used in this direction
		if got := bytes.Join(packRequests(rs), nil); !bytes.Equal(got, b) {
			t.Fatalf("%x packed as %x", b, got)
		}
		for i := range rs {
			rs[i].validate()
		}
	})
}

func FuzzProtocolReplies(f *testing.F) {
	f.Add(packReplies(sampleReplies())[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, _, err := parseReplies(b, nil)
		if err != nil {
			return
		}
		again, _, err := parseReplies(bytes.Join(packReplies(rs), nil), nil)
		if err != nil || len(again) != len(rs) {
			t.Fatalf("%x read as %d replies, then as %d, %v", b, len(rs), len(again), err)
		}
		for i, r := range rs {
			if (r.Kind == SendFailure) == r.From.IsValid() || !r.Dst.IsValid() {
				t.Fatalf("got %v", brief(r))
			}
			if r.Token != again[i].Token || r.Sent != again[i].Sent || !bytes.Equal(r.Payload, again[i].Payload) {
				t.Fatalf("%v became %v", brief(r), brief(again[i]))
			}
		}
	})
}

func FuzzProtocolHello(f *testing.F) {
	f.Add(appendHello(nil, hello{1, 97}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := parseHello(b); err == nil && !bytes.Equal(appendHello(nil, h), b) {
			t.Fatalf("%x read as %+v", b, h)
		}
	})
}
