package dns

import (
	"net"
	"testing"

	"github.com/miekg/dns"
)

// FuzzQuery gives datagrams to the whole path but the upstream: at most one
// answer, well-formed, with the question's ID, no longer than the asker takes.
func FuzzQuery(f *testing.F) {
	for _, q := range []*dns.Msg{question("host.netbox", dns.TypeANY), question("x.test", dns.TypeHTTPS), question("a", dns.TypeAXFR)} {
		q.SetEdns0(600, true)
		wire, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	fw, err := NewForwarder(Options{})
	if err != nil {
		f.Fatal(err)
	}
	h := hostZone().Over(fw)
	f.Fuzz(func(t *testing.T, wire []byte) {
		q := new(dns.Msg)
		if q.Unpack(wire) != nil {
			return
		}
		limit := sizeFor(&recorder{network: "udp"}, q)
		w := &recorder{network: "udp"}
		h.ServeDNS(w, q)
		for _, p := range w.wires {
			m := new(dns.Msg)
			if err := m.Unpack(p); err != nil || m.Id != q.Id || len(p) > limit {
				t.Errorf("%d bytes of at most %d, ID %d for %d, %v", len(p), limit, m.Id, q.Id, err)
			}
		}
		if len(w.wires) > 1 {
			t.Errorf("%d answers", len(w.wires))
		}
	})
}

// FuzzUpstream gives bytes as an upstream's answer, over UDP and as a TCP
// stream: no panic, and what is passed on answers the question.
func FuzzUpstream(f *testing.F) {
	q := question("name.test", dns.TypeA)
	q.Id = 7
	a := new(dns.Msg).SetReply(q)
	a.SetEdns0(1232, false)
	wire, err := a.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Add(append([]byte{0, byte(len(wire))}, wire...))
	ask, err := q.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, transact := range []func(net.Conn, *dns.Msg, []byte) (*dns.Msg, error){transactUDP, transactTCP} {
			m, err := transact(&scripted{answer: answer}, q, ask)
			if err != nil {
				continue
			}
			for _, network := range []string{"udp", "tcp"} {
				w := &recorder{network: network}
				reply(w, q, m)
				if len(w.wires) != 1 {
					t.Errorf("%d answers over %s", len(w.wires), network)
				}
			}
		}
	})
}

// scripted is a connection on which one answer comes, then the end.
type scripted struct {
	net.Conn
	answer []byte
	done   bool
}

func (s *scripted) Write(p []byte) (int, error) { return len(p), nil }
func (s *scripted) Read(p []byte) (int, error) {
	if s.done {
		return 0, net.ErrClosed
	}
	n := copy(p, s.answer)
	s.answer = s.answer[n:]
	s.done = len(s.answer) == 0
	return n, nil
}
