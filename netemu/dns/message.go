package dns

import (
	"strings"

	"github.com/miekg/dns"
)

// ednsSize is the UDP size that our own answers announce: fits a path of
// 1280 bytes without fragments (the DNS flag day 2020's recommendation).
const ednsSize = 1232

// newReply is an empty answer to q from a recursive resolver. A question with
// EDNS gets EDNS back (RFC 6891 section 6.1.1).
func newReply(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(ednsSize, opt.Do())
	}
	return m
}

// refuse says why q can't be answered by any handler here, nil if it can: a
// resolver answers single questions, no zone transfers and no updates.
func refuse(q *dns.Msg) *dns.Msg {
	rcode := dns.RcodeSuccess
	switch opt := q.IsEdns0(); {
	case q.Opcode != dns.OpcodeQuery:
		rcode = dns.RcodeNotImplemented
	case len(q.Question) != 1:
		rcode = dns.RcodeFormatError
	case q.Question[0].Qtype == dns.TypeAXFR || q.Question[0].Qtype == dns.TypeIXFR:
		rcode = dns.RcodeRefused
	case opt != nil && opt.Version() != 0:
		rcode = dns.RcodeBadVers
	}
	if rcode == dns.RcodeSuccess {
		return nil
	}
	return failure(q, rcode)
}

// failure is an answer that has nothing but an RCODE.
func failure(q *dns.Msg, rcode int) *dns.Msg {
	m := newReply(q)
	m.Opcode, m.Rcode = q.Opcode, rcode
	return m
}

// reply sends m as the answer to q, cut to the size that the asker's transport
// takes (TC set), and SERVFAIL if m has no wire form.
func reply(w dns.ResponseWriter, q, m *dns.Msg) {
	m.Id = q.Id
	m.Truncate(sizeFor(w, q))
	m.Compress = true
	wire, err := m.Pack()
	if err != nil {
		if wire, err = failure(q, dns.RcodeServerFailure).Pack(); err != nil {
			return
		}
	}
	// An error means that the asker has gone; nobody is left to be told.
	_, _ = w.Write(wire)
}

// sizeFor is the largest message in bytes that the asker takes: RFC 1035
// section 4.2, RFC 6891 section 6.2.3.
func sizeFor(w dns.ResponseWriter, q *dns.Msg) int {
	if strings.HasPrefix(w.RemoteAddr().Network(), "tcp") {
		return dns.MaxMsgSize
	}
	if opt := q.IsEdns0(); opt != nil {
		return max(int(opt.UDPSize()), dns.MinMsgSize)
	}
	return dns.MinMsgSize
}

// answers says whether m is an answer to q: the same ID and question. An
// error without a question section counts, some servers send that.
func answers(q, m *dns.Msg) bool {
	if !m.Response || m.Id != q.Id || m.Opcode != q.Opcode {
		return false
	}
	if len(m.Question) == 0 {
		return m.Rcode != dns.RcodeSuccess
	}
	if len(m.Question) != 1 {
		return false
	}
	a, b := q.Question[0], m.Question[0]
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}
