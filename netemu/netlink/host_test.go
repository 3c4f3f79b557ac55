package netlink

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// host is the sandbox's host as a Source: what netnstest sets up.
type host struct {
	interfaces []stack.Interface
	routes     []stack.Route
}

func (h host) Interfaces() []stack.Interface { return h.interfaces }
func (h host) Routes() []stack.Route         { return h.routes }

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func sandbox() host {
	addr := netip.MustParseAddr
	return host{
		interfaces: []stack.Interface{
			{Index: 1, Name: "lo", Loopback: true, Up: true, MTU: 65536, Addrs: prefixes("127.0.0.1/8", "::1/128")},
			{Index: 2, Name: "eth0", Up: true, MTU: 65520, HardwareAddr: [6]byte{2, 0, 0x0a, 0, 2, 0x64},
				Addrs: prefixes("10.0.2.100/24", "fd00:2::64/64")},
		},
		routes: []stack.Route{
			{Dst: netip.MustParsePrefix("10.0.2.0/24"), NIC: 2, Src: addr("10.0.2.100")},
			{Dst: netip.MustParsePrefix("0.0.0.0/0"), NIC: 2, Gateway: addr("10.0.2.2")},
			{Dst: netip.MustParsePrefix("::/0"), NIC: 2, Gateway: addr("fd00:2::2")},
			{Dst: netip.MustParsePrefix("fd00:2::/64"), NIC: 2, Src: addr("fd00:2::64")},
		},
	}
}

// lonely is the host without an uplink: only lo, no routes.
func lonely() host { return host{interfaces: sandbox().interfaces[:1]} }

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
