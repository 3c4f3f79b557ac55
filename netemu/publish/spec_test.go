package publish

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Spec{
		"8080:80":                {HostPort: 8080, Port: 80},
		"8080:80/tcp":            {HostPort: 8080, Port: 80},
		"53:5353/udp":            {HostPort: 53, Port: 5353, Proto: UDP},
		"127.0.0.1:8080:80":      {Addr: netip.MustParseAddr("127.0.0.1"), HostPort: 8080, Port: 80},
		"0.0.0.0:1:65535":        {Addr: netip.IPv4Unspecified(), HostPort: 1, Port: 65535},
		"[::1]:8080:80/udp":      {Addr: netip.IPv6Loopback(), HostPort: 8080, Port: 80, Proto: UDP},
		"[::]:8080:80":           {Addr: netip.IPv6Unspecified(), HostPort: 8080, Port: 80},
		"[fe80::1%eth0]:8080:80": {Addr: netip.MustParseAddr("fe80::1%eth0"), HostPort: 8080, Port: 80},
	} {
		got, err := Parse(s)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", s, got, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                        "are needed",
		"80":                      "are needed",
		"/udp":                    "are needed",
		":80":                     "host port \"\"",
		"80:":                     "sandbox port \"\"",
		"0:80":                    "host port \"0\"",
		"80:0":                    "sandbox port \"0\"",
		"80:65536":                "sandbox port \"65536\"",
		"-1:80":                   "host port \"-1\"",
		"+1:80":                   "host port \"+1\"",
		" 80:80":                  "host port \" 80\"",
		"80-90:80":                "host port \"80-90\"",
		"80:80/sctp":              "unknown protocol \"sctp\"",
		"80:80/":                  "unknown protocol \"\"",
		"80:80/tcp/udp":           "unknown protocol",
		"localhost:80:80":         "\"localhost\" is not an IP address",
		":80:80":                  "\"\" is not an IP address",
		"::1:80:80":               "brackets",
		"[127.0.0.1]:80:80":       "brackets",
		"[::1:80:80":              "brackets",
		"[::ffff:10.0.0.1]:80:80": "write the IPv4 address 10.0.0.1",
		"1.2.3.4:5.6.7.8:80:80":   "is not an IP address",
	} {
		got, err := Parse(s)
		if err == nil {
			t.Errorf("%q: %+v, want an error with %q", s, got, want)
			continue
		}
		if msg := err.Error(); !strings.Contains(msg, want) || !strings.Contains(msg, Form) {
			t.Errorf("%q: %q, want it to have %q and the form", s, msg, want)
		}
	}
}

// FuzzParse: what is taken is written as itself again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"8080:80", "[::1]:8080:80/udp", "127.0.0.1:1:2/tcp", "[fe80::1%x]:1:2", "::::", "[]:1:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		spec, err := Parse(s)
		if err != nil {
			return
		}
		if spec.HostPort == 0 || spec.Port == 0 || spec.Addr.Is4In6() {
			t.Fatalf("%q gave %+v", s, spec)
		}
		again, err := Parse(spec.String())
		if err != nil || again != spec {
			t.Fatalf("%q gave %+v, and its %q gave %+v, %v", s, spec, spec.String(), again, err)
		}
	})
}
