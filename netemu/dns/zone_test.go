package dns

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

var nameserver = netip.MustParseAddr("10.0.2.3")

func hostZone() *Zone { return NewHostZone(addrs("10.0.2.2", "fd00:2::2")...) }

// recorder is a dns.ResponseWriter that keeps the answers.
type recorder struct {
	network string
	wires   [][]byte
}

func (r *recorder) LocalAddr() net.Addr { return r.RemoteAddr() }
func (r *recorder) RemoteAddr() net.Addr {
	if r.network == "tcp" {
		return &net.TCPAddr{IP: net.IPv4(10, 0, 2, 100), Port: 40000}
	}
	return &net.UDPAddr{IP: net.IPv4(10, 0, 2, 100), Port: 40000}
}
func (r *recorder) WriteMsg(m *dns.Msg) error {
	wire, err := m.Pack()
	r.wires = append(r.wires, wire)
	return err
}
func (r *recorder) Write(p []byte) (int, error) {
	r.wires = append(r.wires, p)
	return len(p), nil
}
func (r *recorder) Close() error        { return nil }
func (r *recorder) TsigStatus() error   { return nil }
func (r *recorder) TsigTimersOnly(bool) {}
func (r *recorder) Hijack()             {}

// serve puts q to h and gives the only answer.
func serve(t *testing.T, h dns.Handler, network string, q *dns.Msg) *dns.Msg {
	t.Helper()
	w := &recorder{network: network}
	h.ServeDNS(w, q)
	if len(w.wires) != 1 {
		t.Fatalf("%d answers, want 1", len(w.wires))
	}
	m := new(dns.Msg)
	if err := m.Unpack(w.wires[0]); err != nil {
		t.Fatalf("answer is malformed: %v", err)
	}
	if m.Id != q.Id || !m.Response {
		t.Fatalf("answer has ID %d and QR %v, want %d and true", m.Id, m.Response, q.Id)
	}
	return m
}

func question(name string, qtype uint16) *dns.Msg {
	return new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
}

// brief is the RCODE and the answer section, tabs as spaces.
func brief(m *dns.Msg) string {
	s := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		s = append(s, strings.Join(strings.Fields(rr.String()), " "))
	}
	return strings.Join(s, "; ")
}

func TestZone(t *testing.T) {
	z := hostZone()
	for _, flag := range []string{"db.test=192.0.2.7", "db.test=192.0.2.8", "DB.test=2001:db8::7", "six=::ffff:192.0.2.9"} {
		if err := z.AddHostFlag(flag); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"alias.test. 30 IN CNAME www.test.", "www.test. 30 IN CNAME db.test.", "loop.test. IN CNAME pool.test.", "pool.test. IN CNAME loop.test."} {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		z.AddRR(rr)
	}
	for _, tc := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"db.test", dns.TypeA, "NOERROR; db.test. 60 IN A 192.0.2.7; db.test. 60 IN A 192.0.2.8"},
		{"db.test", dns.TypeAAAA, "NOERROR; db.test. 60 IN AAAA 2001:db8::7"},
		{"Db.TEST", dns.TypeAAAA, "NOERROR; Db.TEST. 60 IN AAAA 2001:db8::7"},
		{"db.test", dns.TypeHTTPS, "NOERROR"},
		{"six", dns.TypeA, "NOERROR; six. 60 IN A 192.0.2.9"},
		{"six", dns.TypeAAAA, "NOERROR"},
		{"host.netbox", dns.TypeA, "NOERROR; host.netbox. 60 IN A 10.0.2.2"},
		{"host.netbox", dns.TypeAAAA, "NOERROR; host.netbox. 60 IN AAAA fd00:2::2"},
		{"2.2.0.10.in-addr.arpa", dns.TypePTR, "NOERROR; 2.2.0.10.in-addr.arpa. 60 IN PTR host.netbox."},
		{"7.2.0.192.in-addr.arpa", dns.TypePTR, "NOERROR; 7.2.0.192.in-addr.arpa. 60 IN PTR db.test."},
		{"alias.test", dns.TypeAAAA, "NOERROR; alias.test. 30 IN CNAME www.test.; www.test. 30 IN CNAME db.test.; db.test. 60 IN AAAA 2001:db8::7"},
		{"alias.test", dns.TypeCNAME, "NOERROR; alias.test. 30 IN CNAME www.test."},
		{"nope.test", dns.TypeA, "NXDOMAIN"},
		{"db.test", dns.TypeAXFR, "REFUSED"},
	} {
		if got := brief(serve(t, z, "udp", question(tc.name, tc.qtype))); got != tc.want {
			t.Errorf("%s %s: %s\nwant %s", tc.name, dns.TypeToString[tc.qtype], got, tc.want)
		}
	}
	if m := serve(t, z, "tcp", question("loop.test", dns.TypeA)); len(m.Answer) > maxChain {
		t.Errorf("CNAME loop: %d records", len(m.Answer))
	}
}

func TestZoneOver(t *testing.T) {
	z := hostZone()
	next := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { reply(w, q, failure(q, dns.RcodeYXDomain)) })
	h := z.Over(next)
	if got := brief(serve(t, h, "udp", question("host.netbox", dns.TypeA))); got != "NOERROR; host.netbox. 60 IN A 10.0.2.2" {
		t.Error(got)
	}
	for _, q := range []*dns.Msg{question("example.test", dns.TypeA), question("host.netbox", dns.TypeAXFR), {MsgHdr: dns.MsgHdr{Id: 3}}} {
		if got := brief(serve(t, h, "udp", q)); got != "YXDOMAIN" {
			t.Errorf("%v did not reach the next handler: %s", q.Question, got)
		}
	}
}

func TestZoneRefusesBadNames(t *testing.T) {
	z := NewZone()
	for flag, want := range map[string]string{
		"db.test":                              "is not NAME=IP",
		"db.test=":                             "is not an IP address",
		"db.test=x":                            "is not an IP address",
		"=192.0.2.1":                           "is not a domain name",
		"a..b=192.0.2.1":                       "is not a domain name",
		"a b=192.0.2.1":                        "is not a domain name",
		"db.test=fe80::1%lo":                   "no address that DNS can carry",
		strings.Repeat("a", 64) + "=192.0.2.1": "is not a domain name",
	} {
		if err := z.AddHostFlag(flag); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", flag, err, want)
		}
	}
	if err := z.AddHost("x", netip.Addr{}); err == nil {
		t.Error("the zero address was taken")
	}
}

func TestReplySize(t *testing.T) {
	z := NewZone()
	for i := range 200 {
		if err := z.AddHost("big.test", netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		network   string
		edns      uint16
		limit     int
		truncated bool
	}{
		{"udp", 0, 512, true},
		{"udp", 100, 512, true},
		{"udp", 1232, 1232, true},
		{"udp", 8192, 8192, false},
		{"tcp", 0, 65535, false},
		{"tcp", 512, 65535, false},
	} {
		q := question("big.test", dns.TypeA)
		if tc.edns > 0 {
			q.SetEdns0(tc.edns, false)
		}
		w := &recorder{network: tc.network}
		z.ServeDNS(w, q)
		m := new(dns.Msg)
		if err := m.Unpack(w.wires[0]); err != nil {
			t.Fatal(err)
		}
		if len(w.wires[0]) > tc.limit || m.Truncated != tc.truncated || (len(m.Answer) == 200) == tc.truncated {
			t.Errorf("%s, EDNS %d: %d bytes, TC %v, %d records", tc.network, tc.edns, len(w.wires[0]), m.Truncated, len(m.Answer))
		}
		if (m.IsEdns0() != nil) != (tc.edns > 0) {
			t.Errorf("%s, EDNS %d: OPT in the answer: %v", tc.network, tc.edns, m.IsEdns0())
		}
	}
}

func TestBadVersion(t *testing.T) {
	q := question("host.netbox", dns.TypeA)
	q.SetEdns0(1232, false)
	q.IsEdns0().SetVersion(1)
	if m := serve(t, hostZone(), "udp", q); m.Rcode != dns.RcodeBadVers {
		t.Errorf("EDNS version 1: %s, want BADVERS", dns.RcodeToString[m.Rcode])
	}
}
