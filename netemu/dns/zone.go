package dns

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// zoneTTL is given to records that carry none, in seconds: long enough that a
// program looks a name up once, short enough that a changed --host is seen by
// the next run behind a caching daemon.
const zoneTTL = 60

// maxChain bounds the CNAMEs followed in one answer; glibc and BIND give up at
// about the same length, and a loop ends here.
const maxChain = 16

// Zone is a set of records by name. It answers questions about its names and
// says NXDOMAIN to others. Fill it before it is served: it has no lock.
type Zone struct {
	names map[string][]dns.RR // canonical name → its records, all types
}

// NewZone gives a zone without names.
func NewZone() *Zone { return &Zone{names: make(map[string][]dns.RR)} }

// NewHostZone gives a zone that knows host.netbox, at the addresses by which
// the sandbox reaches the host.
func NewHostZone(host ...netip.Addr) *Zone {
	z := NewZone()
	for _, a := range host {
		z.addAddr(HostName, a.Unmap())
	}
	return z
}

// AddHost adds an A or AAAA record for name, and the PTR record back unless
// the address has one. Several addresses for a name are several calls. A zone
// of IPv6 (fe80::1%eth0) has no form in DNS and is an error.
func (z *Zone) AddHost(name string, a netip.Addr) error {
	if !a.IsValid() || a.Zone() != "" {
		return fmt.Errorf("name %q: %q is no address that DNS can carry", name, a)
	}
	if _, ok := dns.IsDomainName(name); !ok || name == "" || strings.ContainsAny(name, " \t\r\n\\\"") {
		return fmt.Errorf("%q is not a domain name", name)
	}
	z.addAddr(name, a.Unmap())
	return nil
}

// AddHostFlag adds one "NAME=IP", as given to --host.
func (z *Zone) AddHostFlag(flag string) error {
	name, ip, ok := strings.Cut(flag, "=")
	if !ok {
		return fmt.Errorf("%q is not NAME=IP", flag)
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return fmt.Errorf("%q is not NAME=IP: %q is not an IP address", flag, ip)
	}
	return z.AddHost(name, a)
}

// Preconditions: name is a domain name, a is valid, unmapped, without a scope.
func (z *Zone) addAddr(name string, a netip.Addr) {
	name = dns.CanonicalName(name)
	hdr := dns.RR_Header{Name: name, Class: dns.ClassINET, Ttl: zoneTTL}
	if a.Is4() {
		hdr.Rrtype = dns.TypeA
		z.AddRR(&dns.A{Hdr: hdr, A: a.AsSlice()})
	} else {
		hdr.Rrtype = dns.TypeAAAA
		z.AddRR(&dns.AAAA{Hdr: hdr, AAAA: a.AsSlice()})
	}
	reverse, err := dns.ReverseAddr(a.String())
	if err != nil || len(z.names[reverse]) > 0 {
		return
	}
	hdr = dns.RR_Header{Name: reverse, Class: dns.ClassINET, Ttl: zoneTTL, Rrtype: dns.TypePTR}
	z.AddRR(&dns.PTR{Hdr: hdr, Ptr: name})
}

// AddRR adds a record of any type. A record that stands there already is left
// out.
func (z *Zone) AddRR(rr dns.RR) {
	name := dns.CanonicalName(rr.Header().Name)
	for _, old := range z.names[name] {
		if dns.IsDuplicate(old, rr) {
			return
		}
	}
	z.names[name] = append(z.names[name], rr)
}

// ServeDNS answers as a resolver whose whole Internet is this zone.
func (z *Zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	if m := refuse(q); m != nil {
		reply(w, q, m)
		return
	}
	m, known := z.answer(q)
	if !known {
		m.Rcode = dns.RcodeNameError
	}
	reply(w, q, m)
}

// Over gives a handler that answers for the names of the zone and leaves all
// other questions to next.
func (z *Zone) Over(next dns.Handler) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if refuse(q) == nil {
			if m, known := z.answer(q); known {
				reply(w, q, m)
				return
			}
		}
		next.ServeDNS(w, q)
	})
}

// answer gives the zone's answer: records, possibly none (the name exists, the
// type does not), and whether the name is known at all.
//
// Preconditions: q has one question.
func (z *Zone) answer(q *dns.Msg) (*dns.Msg, bool) {
	m := newReply(q)
	question := q.Question[0]
	name := dns.CanonicalName(question.Name)
	_, known := z.names[name]
	if !known || (question.Qclass != dns.ClassINET && question.Qclass != dns.ClassANY) {
		return m, known
	}
	for range maxChain {
		var alias string
		for _, rr := range z.names[name] {
			t := rr.Header().Rrtype
			if t == question.Qtype || question.Qtype == dns.TypeANY || t == dns.TypeCNAME {
				m.Answer = append(m.Answer, dns.Copy(rr))
			}
			if c, ok := rr.(*dns.CNAME); ok && question.Qtype != dns.TypeCNAME && question.Qtype != dns.TypeANY {
				alias = dns.CanonicalName(c.Target)
			}
		}
		if alias == "" {
			break
		}
		name = alias
	}
	// The owner name goes back as it was asked (mixed case is a check that some
	// resolvers make, draft-vixie-dnsext-dns0x20).
	for _, rr := range m.Answer {
		if strings.EqualFold(rr.Header().Name, question.Name) {
			rr.Header().Name = question.Name
		}
	}
	return m, true
}
