package netlink

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/link"
	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// sandbox is the sandbox's host: what netnstest sets up.
func sandbox(t testing.TB) *rtnl.Host {
	t.Helper()
	near, far := link.New(0)
	t.Cleanup(far.Close)
	return newHost(t, stack.HostConfig{
		Link:     near,
		Addrs:    []netip.Prefix{netip.MustParsePrefix("10.0.2.100/24"), netip.MustParsePrefix("fd00:2::64/64")},
		Gateways: []netip.Addr{netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("fd00:2::2")},
	})
}

// lonely is the host without an uplink: only lo, no routes.
func lonely(t testing.TB) *rtnl.Host {
	t.Helper()
	return newHost(t, stack.HostConfig{})
}

func newHost(t testing.TB, c stack.HostConfig) *rtnl.Host {
	t.Helper()
	s, err := stack.NewHost(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return rtnl.New(s)
}

// message makes a netlink message of an exact length.
func message(typ, flags int, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(padded(body), p...)
	}
	x := exchange{port: 0}
	b := x.message(header(7), uint16(typ), uint16(flags), body)
	return b[:unix.NLMSG_HDRLEN+len(body)]
}
