package netlink

import (
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/netlink/netnstest"
)

// notHere are the requests that Linux answers and the server does not, and
// the few where another error is given; see docs/limits.md.
var notHere = map[string]string{
	"RTM_GETQDISC get":          "one queueing discipline: only tc asks, and it dumps",
	"RTM_GETTCLASS get":         "traffic control",
	"RTM_GETTFILTER get":        "traffic control",
	"RTM_GETCHAIN get":          "traffic control",
	"RTM_GETACTION get":         "traffic control",
	"RTM_GETACTION dump":        "traffic control",
	"RTM_GETMULTICAST dump":     "ip maddr reads /proc",
	"RTM_GETANYCAST dump":       "no anycast addresses, and nobody asks",
	"RTM_GETNEIGHTBL dump":      "ip ntable: timers of a neighbour table that is not",
	"RTM_GETADDRLABEL get":      "RFC 6724 labels cannot be set",
	"RTM_GETADDRLABEL dump":     "RFC 6724 labels cannot be set",
	"RTM_GETSTATS get":          "ip stats; the counters are in RTM_NEWLINK",
	"RTM_GETSTATS dump":         "ip stats; the counters are in RTM_NEWLINK",
	"RTM_GETNEXTHOPBUCKET get":  "resilient nexthop groups",
	"RTM_GETNEXTHOPBUCKET dump": "resilient nexthop groups",
}

// TestErrorsAsLinux asks for every RTM_GET* there is, of several families,
// single and as a dump, and compares the errors.
func TestErrorsAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	seen := map[string]bool{}
	forms := map[int]string{get: "get", dumping: "dump"}
	for typ := unix.RTM_BASE + kindGet; typ <= unix.RTM_MAX+8; typ += kindMask + 1 {
		for _, family := range []byte{unix.AF_UNSPEC, unix.AF_INET, unix.AF_INET6, unix.AF_PACKET, 250} {
			for flags, form := range forms {
				request := message(typ, flags, zeros(20, family))
				kernel, port := openKernel(t).ask(t, request)
				want := ending(t, kernel, port)
				ours, port := openServer(t, sandbox(t)).ask(t, request)
				got := ending(t, ours, port)
				if got == want {
					continue
				}
				key := typeName(uint16(typ)) + " " + form
				seen[key] = true
				if _, ok := notHere[key]; !ok || got != unix.EOPNOTSUPP {
					t.Errorf("%s, family %d: %v, Linux %v", key, family, got, want)
				}
			}
		}
	}
	for key := range notHere {
		if !seen[key] {
			t.Errorf("listed, but not seen: %s", key)
		}
	}
}
