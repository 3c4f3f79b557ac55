package programs

import (
	"strings"
	"testing"
)

var configurationRows = []Row{
	{"ip-addr", []string{"ip"}, runIPAddr},
	{"ip-route", []string{"ip"}, runIPRoute},
	{"ss", []string{"ss"}, runSS},
}

// runIPAddr checks that the sandbox shows its own interfaces and none of the
// machine's.
func runIPAddr(t *testing.T, s *Site) {
	s.want(t, func(out string) bool {
		if !strings.Contains(out, "inet 127.0.0.1/8") || !strings.Contains(out, "inet6 ::1/128") {
			return false
		}
		own := strings.Contains(out, "inet 10.0.2.100/24") && strings.Contains(out, "inet6 fd00:2::64/64")
		host := strings.Contains(out, s.Near4.String()+"/24")
		return !s.Box || own && !host
	}, "ip", "addr")
	s.want(t, contains("lo"), "ip", "-br", "link")
}

func runIPRoute(t *testing.T, s *Site) {
	s.want(t, func(out string) bool {
		return !s.Box || strings.Contains(out, "default via 10.0.2.2") && strings.Contains(out, "10.0.2.0/24 dev eth0")
	}, "ip", "route")
	s.want(t, func(out string) bool {
		return !s.Box || strings.Contains(out, "default via fd00:2::2")
	}, "ip", "-6", "route")
	s.want(t, func(out string) bool {
		return !s.Box || strings.Contains(out, "via 10.0.2.2 dev eth0 src 10.0.2.100")
	}, "ip", "route", "get", s.routeTarget())
}

// routeTarget is an address outside that has a route natively, too.
func (s *Site) routeTarget() string {
	if s.Box {
		return "8.8.8.8"
	}
	return s.Far4.String()
}

// runSS wants no more than a start without error (see docs/limits.md).
func runSS(t *testing.T, s *Site) {
	for _, options := range []string{"-tan", "-uan", "-s"} {
		r := s.run(t, "ss", options)
		if r.Code != 0 || r.Err != "" {
			t.Errorf("ss %s: %s", options, r.Output())
		}
	}
}
