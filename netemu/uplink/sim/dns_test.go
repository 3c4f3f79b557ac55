package sim

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"netbox/netemu/dns"
)

// ask puts one question over UDP or TCP, and gives RCODE and answers.
func (w *world) ask(network, server, name string, qtype uint16) string {
	w.t.Helper()
	c := &mdns.Conn{UDPSize: mdns.MaxMsgSize}
	if network == "tcp" {
		c.Conn = w.mustDial(server)
	} else {
		c.Conn = w.dialUDP(server)
	}
	q := new(mdns.Msg).SetQuestion(mdns.Fqdn(name), qtype)
	if err := c.WriteMsg(q); err != nil {
		w.t.Fatal(err)
	}
	m, err := c.ReadMsg()
	if err != nil {
		w.t.Fatalf("%s %s %s: %v", network, server, name, err)
	}
	if m.Id != q.Id {
		w.t.Fatalf("%s %s %s: ID %d for %d", network, server, name, m.Id, q.Id)
	}
	s := []string{mdns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		s = append(s, strings.Join(strings.Fields(rr.String()), " "))
	}
	slices.Sort(s[1:])
	return strings.Join(s, "; ")
}

func TestDNS(t *testing.T) {
	names := dns.NewHostZone(netip.MustParseAddr("10.0.2.2"))
	if err := names.AddHostFlag("mine.test=192.0.2.80"); err != nil {
		t.Fatal(err)
	}
	nameservers := []netip.Addr{netip.MustParseAddr("10.255.255.53"), netip.MustParseAddr("127.0.0.53"), netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("192.0.2.80")}
	w := newWorld(t, Options{Nameservers: nameservers, Names: names})
	for _, server := range []string{
		"8.8.8.8:53", "1.1.1.1:53", "[2001:4860:4860::8888]:53", "[2606:4700:4700::1111]:53",
		"10.0.2.2:53", "10.0.2.3:53", "[fd00:2::2]:53", "[fd00:2::3]:53",
		"10.255.255.53:53", "169.254.169.254:53", "192.0.2.80:53",
	} {
		for _, network := range []string{"udp", "tcp"} {
			want := "NOERROR; example.test. 60 IN A 192.0.2.80"
			if got := w.ask(network, server, "example.test", mdns.TypeA); got != want {
				t.Errorf("%s %s: %s, want %s", network, server, got, want)
			}
		}
	}
	for _, tc := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"example.test", mdns.TypeAAAA, "NOERROR; example.test. 60 IN AAAA 2001:db8::80"},
		{"example.test", mdns.TypeMX, "NOERROR; example.test. 60 IN MX 10 example.test."},
		{"example.test", mdns.TypeTXT, `NOERROR; example.test. 60 IN TXT "netbox sim"`},
		{"www.example.test", mdns.TypeA, "NOERROR; www.example.test. 60 IN A 192.0.2.80"},
		{"unreachable.test", mdns.TypeA, "NOERROR; unreachable.test. 60 IN A 198.51.100.1"},
		{"dns.google", mdns.TypeA, "NOERROR; dns.google. 60 IN A 8.8.4.4; dns.google. 60 IN A 8.8.8.8"},
		{"8.8.8.8.in-addr.arpa", mdns.TypePTR, "NOERROR; 8.8.8.8.in-addr.arpa. 60 IN PTR dns.google."},
		{"host.netbox", mdns.TypeA, "NOERROR; host.netbox. 60 IN A 10.0.2.2"},
		{"mine.test", mdns.TypeA, "NOERROR; mine.test. 60 IN A 192.0.2.80"},
		{"example.com", mdns.TypeA, "NXDOMAIN"},
	} {
		if got := w.ask("udp", "10.0.2.3:53", tc.name, tc.qtype); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	// The host that became a resolver is still a web server, and other hosts
	// refuse port 53.
	w.mustDial("192.0.2.80:80")
	if got := w.udpError("192.0.2.81:53"); got == 0 {
		t.Error("refused.test answers on port 53")
	}
}

func TestDNSConditions(t *testing.T) {
	w := newWorld(t, parsed(t, `
hosts:
  - {names: [slow.test], addresses: [203.0.113.1], dns: true, delay: 60ms}
  - {names: [lossy.test], addresses: [203.0.113.2], dns: true, loss: 1}
records: ["alias.test. 5 IN CNAME slow.test."]
`))
	start := time.Now()
	want := "NOERROR; alias.test. 5 IN CNAME slow.test.; slow.test. 60 IN A 203.0.113.1"
	if got := w.ask("udp", "203.0.113.1:53", "alias.test", mdns.TypeA); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if d := time.Since(start); d < 60*time.Millisecond {
		t.Errorf("answered after %v, want 60 ms at least", d)
	}
	c := w.dialUDP("203.0.113.2:53")
	q, err := new(mdns.Msg).SetQuestion("slow.test.", mdns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(q); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 512)); err == nil {
		t.Errorf("%d bytes came back through total loss", n)
	}
}
