package programs

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

var dnsRows = []Row{
	{"dig", []string{"dig"}, runDig},
	{"host", []string{"host"}, runHost},
	{"getent", []string{"getent"}, runGetent},
}

// Zone is what the site's DNS server answers: addresses by name, and for
// LongName a text too long for a UDP answer.
type Zone map[string][]netip.Addr

// LongName has a TXT record of 2,500 bytes.
const LongName = "long.test"

// ServeDNS answers for the zone on a UDP and a TCP socket until they are
// closed.
func ServeDNS(zone Zone, packets net.PacketConn, streams net.Listener) {
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := zone.answer(q)
		if _, stream := w.RemoteAddr().(*net.TCPAddr); !stream {
			size := dns.MinMsgSize
			if o := q.IsEdns0(); o != nil {
				size = int(o.UDPSize())
			}
			answer.Truncate(size)
		}
		// The client may be gone.
		_ = w.WriteMsg(answer)
	})
	// Both end with an error when their sockets are closed.
	go (&dns.Server{PacketConn: packets, Handler: handler}).ActivateAndServe()
	go (&dns.Server{Listener: streams, Handler: handler}).ActivateAndServe()
}

func (z Zone) answer(q *dns.Msg) *dns.Msg {
	answer := new(dns.Msg)
	answer.SetReply(q)
	question := q.Question[0]
	name := strings.ToLower(strings.TrimSuffix(question.Name, "."))
	header := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET, Ttl: 60}
	addrs, known := z[name]
	switch {
	case name == LongName && question.Qtype == dns.TypeTXT:
		text := strings.Split(strings.Repeat(strings.Repeat("x", 250)+" ", 9)+strings.Repeat("y", 250), " ")
		answer.Answer = append(answer.Answer, &dns.TXT{Hdr: header, Txt: text})
	case !known && name != LongName:
		answer.Rcode = dns.RcodeNameError
	}
	for _, a := range addrs {
		switch {
		case a.Is4() && question.Qtype == dns.TypeA:
			answer.Answer = append(answer.Answer, &dns.A{Hdr: header, A: a.AsSlice()})
		case a.Is6() && question.Qtype == dns.TypeAAAA:
			answer.Answer = append(answer.Answer, &dns.AAAA{Hdr: header, AAAA: a.AsSlice()})
		}
	}
	return answer
}

func runDig(t *testing.T, s *Site) {
	s.want(t, func(out string) bool { return strings.TrimSpace(out) == s.Far4.String() }, "dig", "+short", s.FarName)
	s.want(t, func(out string) bool { return strings.TrimSpace(out) == s.Far6.String() }, "dig", "+short", "AAAA", s.FarName)
	s.want(t, contains("NXDOMAIN"), "dig", "no.such.test")
	s.want(t, contains("yyyy"), "dig", "+short", "TXT", LongName)
	s.want(t, func(out string) bool { return strings.TrimSpace(out) == s.Far4.String() }, "dig", "+tcp", "+short", s.FarName)
	if s.Box {
		s.want(t, func(out string) bool { return strings.TrimSpace(out) == s.Far4.String() }, "dig", "@10.0.2.3", "+short", s.FarName)
		s.want(t, func(out string) bool { return strings.TrimSpace(out) == s.Far4.String() }, "dig", "@fd00:2::3", "+short", s.FarName)
	}
}

func runHost(t *testing.T, s *Site) {
	s.want(t, func(out string) bool {
		return strings.Contains(out, "has address "+s.Far4.String()) && strings.Contains(out, "has IPv6 address "+s.Far6.String())
	}, "host", s.FarName)
	r := s.run(t, "host", "no.such.test")
	if r.Code != 1 || !strings.Contains(r.Out, "NXDOMAIN") {
		t.Errorf("host of an unknown name: %s", r.Output())
	}
}

// runGetent tries glibc's resolver, which other rows use in passing.
func runGetent(t *testing.T, s *Site) {
	s.want(t, func(out string) bool {
		return strings.Contains(out, s.Far4.String()) && strings.Contains(out, s.Far6.String())
	}, "getent", "ahosts", s.FarName)
	r := s.run(t, "getent", "ahosts", "no.such.test")
	if r.Code != 2 { // 2: not found
		t.Errorf("getent of an unknown name: %s", r.Output())
	}
}
