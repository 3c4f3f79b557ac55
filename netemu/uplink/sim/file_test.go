package sim

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"netbox/netemu/stack"
)

func TestDefault(t *testing.T) {
	n, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "2606:4700:4700::1111"} {
		if h := n.hosts[netip.MustParseAddr(a)]; h == nil || !h.echo || !h.dns {
			t.Errorf("%s: %+v", a, h)
		}
	}
	if h := n.hosts[netip.MustParseAddr("192.0.2.80")]; h == nil || h.tcp[80] == nil || h.tcp[80].kind != kindHTTP || h != n.hosts[netip.MustParseAddr("2001:db8::80")] {
		t.Errorf("example.test: %+v", h)
	}
}

func TestParse(t *testing.T) {
	n, err := Parse("x", []byte(`
defaults: {delay: 20ms, jitter: 1ms, loss: 1%}
hosts:
  - addresses: [203.0.113.1]
  - addresses: ["::ffff:203.0.113.2"]
    names: [A.test]
    echo: false
    delay: 0s
    loss: 0.25
    otherwise: drop
    tcp:
      - port: 80
        service: http
        status: 404
        headers: {x-a: b}
        size: 10
unreachable:
  - prefix: 10.0.0.0/8
  - {prefix: 10.1.0.0/16, kind: host}
records:
  - a.test. IN MX 5 mail.a.test.
`))
	if err != nil {
		t.Fatal(err)
	}
	first, second := n.hosts[netip.MustParseAddr("203.0.113.1")], n.hosts[netip.MustParseAddr("203.0.113.2")]
	if want := (conditions{20 * time.Millisecond, time.Millisecond, 0.01}); first.conditions != want || !first.echo || first.otherwise != kindRefuse {
		t.Errorf("first %+v", first)
	}
	if want := (conditions{0, time.Millisecond, 0.25}); second.conditions != want || second.echo || second.otherwise != kindDrop {
		t.Errorf("second %+v", second)
	}
	if s := second.tcp[80]; s.status != 404 || s.size != 10 || s.headers.Get("X-A") != "b" {
		t.Errorf("service %+v", s)
	}
	for a, want := range map[string]struct {
		fate fate
		why  stack.Unreachable
	}{
		"203.0.113.1":     {arrives, 0},
		"203.0.113.9":     {cannot, stack.UnreachableNet},
		"10.1.2.3":        {cannot, stack.UnreachableNet}, // the first prefix that matches
		"10.0.2.9":        {cannot, stack.UnreachableNet},
		"fd00:2::9":       {cannot, stack.UnreachableHost},
		"255.255.255.255": {vanishes, 0},
		"10.0.2.255":      {vanishes, 0},
		"ff02::fb":        {vanishes, 0},
	} {
		if _, fate, why := n.find(netip.MustParseAddr(a)); fate != want.fate || why != want.why {
			t.Errorf("%s: fate %d, %d", a, fate, why)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", "x.yaml: there is nothing in it"},
		{"# only a comment\n", "x.yaml: there is nothing in it"},
		{"{}", "x.yaml: no hosts, unreachable or records in it"},
		{"- a\n", "x.yaml:1: sequence was used where mapping is expected"},
		{"hosts: [\n", "x.yaml:1: "},
		{"hosts:\n\t- a\n", "x.yaml:2: found character"},
		{"hosts:\n  - {addresses: [203.0.113.1]}\n---\nhosts: []\n", "x.yaml:4: a second document"},
		{"hosts:\n  - &a {addresses: [203.0.113.1]}\n  - *a\n", "x.yaml:2: anchors, aliases and tags are not taken"},
		{"records: !x\n- a\n", "x.yaml:1: anchors, aliases and tags are not taken"},
		{"host: []\n", `x.yaml:1: unknown field "host"`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    adress: x\n", `x.yaml:3: unknown field "adress"`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp:\n      - {port: 80, service: http}\n      - {port: 81, servce: http}\n", `x.yaml:5: unknown field "servce"`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    echo: maybe\n", "x.yaml:3: cannot unmarshal"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    echo: true\n    echo: false\n", "x.yaml:4: "},
		{"hosts:\n  - names: [a.test]\n", "x.yaml:2: a host without addresses"},
		{"hosts:\n  -\n", "a host without addresses"},
		{"hosts:\n  - addresses:\n      - 203.0.113.1\n      - 203.0.113.256\n", `x.yaml:4: "203.0.113.256" is not an IP address`},
		{"hosts:\n  - addresses: [fe80::1%eth0]\n", `x.yaml:2: "fe80::1%eth0" is not an IP address`},
		{"hosts:\n  - addresses: [[203.0.113.1]]\n", "x.yaml:2: "},
		{"hosts:\n  - addresses: [127.0.0.1]\n", "x.yaml:2: 127.0.0.1 is not an address of a host on the internet"},
		{"hosts:\n  - addresses: [224.0.0.1]\n", "x.yaml:2: 224.0.0.1 is not an address"},
		{"hosts:\n  - addresses: ['::']\n", "x.yaml:2: :: is not an address"},
		{"hosts:\n  - addresses: [10.0.2.2]\n", "x.yaml:2: 10.0.2.2 belongs to the link"},
		{"hosts:\n  - addresses: [203.0.113.1]\n  - addresses: [203.0.113.1]\n", "x.yaml:3: 203.0.113.1 is given to two hosts"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    names: [a..b]\n", `x.yaml:3: "a..b" is not a domain name`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    delay: 20\n", `x.yaml:3: "20" is not a duration such as 20ms`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    delay: 2h\n", "x.yaml:3: 2h is not between 0 and 1m0s"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    jitter: -1ms\n", "x.yaml:3: -1ms is not between"},
		{"defaults:\n  loss: 110%\n", `x.yaml:2: "110%" is not a share`},
		{"defaults:\n  loss: nan\n", `x.yaml:2: "nan" is not a share`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    otherwise: reset\n", "x.yaml:2: otherwise: \"reset\" is not refuse or drop"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{service: echo}]\n", "x.yaml:3: a service without port"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 0, service: echo}]\n", `x.yaml:3: "0" is not a port`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 65536, service: echo}]\n", `x.yaml:3: "65536" is not a port`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7}]\n", `x.yaml:3: service: "" is not one of [echo`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    udp: [{port: 7, service: http}]\n", `x.yaml:3: service: "http" is not one of [echo`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp:\n      - {port: 7, service: echo}\n      - {port: 7, service: drop}\n", "x.yaml:5: port 7 is given twice"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    dns: true\n    tcp: [{port: 53, service: echo}]\n", "x.yaml:4: port 53 is taken by dns: true"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7, service: echo, body: x}]\n", "x.yaml:3: status, headers, body and size go with service http"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7, service: text}]\n", "x.yaml:3: text goes with service text"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7, service: http, text: x}]\n", "x.yaml:3: text goes with service text"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7, service: http, body: x, size: 1}]\n", "x.yaml:3: body and size exclude each other"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7, service: http, status: 101}]\n", "x.yaml:3: status: 101 is not from 200 to 599"},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7, service: http, size: -1}]\n", `x.yaml:3: "-1" is not a number of bytes`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7, service: http, headers: {'a b': c}}]\n", `x.yaml:3: header "a b"`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7, service: http, headers: {a: \"b\\r\\nc: d\"}}]\n", `x.yaml:3: header "a"`},
		{"hosts:\n  - addresses: [203.0.113.1]\n    tcp: [{port: 7, service: http, headers: {Content-Length: '5'}}]\n", `x.yaml:3: header "Content-Length"`},
		{"unreachable: [{prefix: 198.51.100.1/24}]\n", "x.yaml:1: 198.51.100.1/24 has bits set behind its length; write 198.51.100.0/24"},
		{"unreachable: [{prefix: 198.51.100.0}]\n", `x.yaml:1: "198.51.100.0" is not an IP prefix`},
		{"unreachable: [{prefix: 198.51.100.0/24, kind: port}]\n", `x.yaml:1: kind: "port" is not net, host or prohibited`},
		{"unreachable: [{kind: net}]\n", "x.yaml:1: unreachable: an entry without prefix"},
		{"records:\n  - a.test. IN A 192.0.2.300\n", "x.yaml:2: record"},
		{"records:\n  - ''\n", "x.yaml:2: the record is empty"},
		{"records:\n  - $INCLUDE /etc/passwd\n", "x.yaml:2: a record is one line of a zone file"},
		{"records:\n  - \"a. IN A 192.0.2.1\\nb. IN A 192.0.2.2\"\n", "x.yaml:2: a record is one line of a zone file"},
		{"records:\n  - a.test. CH TXT x\n", "its class is not IN"},
		{"records:\n  -\n", "a record is missing"},
		{"#" + strings.Repeat("x", maxFile), "x.yaml: longer than"},
	} {
		_, err := Parse("x.yaml", []byte(tc.text))
		if err == nil || !strings.HasPrefix(err.Error(), "sim: x.yaml") || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.200q:\n %v\nwant %s", tc.text, err, tc.want)
		}
	}
}

// The example of the manual is taken as it stands there.
func TestManualExample(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/sim.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(manual), "```yaml\n")
	text, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("docs/sim.md has no YAML example")
	}
	if _, err := Parse("docs/sim.md", []byte(text)); err != nil {
		t.Error(err)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.yaml")
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("absent: %v", err)
	}
	if _, err := ReadFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("endless: %v", err)
	}
	if err := os.WriteFile(path, []byte("hosts: [{addresses: [203.0.113.1]}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := ReadFile(path); err != nil || len(n.hosts) != 1 {
		t.Errorf("%+v, %v", n, err)
	}
}

// FuzzParse: whatever the text, an internet or an error that names the file.
func FuzzParse(f *testing.F) {
	f.Add(defaultText)
	f.Add([]byte("defaults: {delay: 1ms, loss: 5%}\nhosts:\n- {addresses: [203.0.113.1], tcp: [{port: 80, service: http, headers: {a: b}}]}\n"))
	f.Add([]byte("records: ['a. IN CNAME b.']\nunreachable: [{prefix: ::/0}]\n"))
	f.Add([]byte("a: &a [*a]\n? b\n: !!binary x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := Parse("x.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "sim: x.yaml") {
				t.Errorf("error without the file: %v", err)
			}
			return
		}
		for a := range n.hosts {
			if _, fate, _ := n.find(a); fate != arrives {
				t.Errorf("%v is not found", a)
			}
		}
		if _, err := New(Options{Internet: n}); err != nil {
			t.Error(err)
		}
	})
}
