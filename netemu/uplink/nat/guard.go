package nat

import (
	"net/netip"

	"netbox/netemu/uplink"
)

// action is what the guard says about a destination.
type action uint8

const (
	// permit: the host may be asked to reach it.
	permit action = iota
	// refuse: as if nothing listened there: RST, or ICMP port unreachable.
	refuse
	// noHost and noNet: ICMP host or network unreachable.
	noHost
	noNet
	// ignore: no answer at all. RFC 1122 section 3.2.2 forbids ICMP errors
	// about a multicast or broadcast destination.
	ignore
)

// guard decides which destinations the host's sockets may be used for. It
// fails closed: what it does not know how to reach outside, it does not
// permit. A packet policy will stand behind it, never before it.
//
// The host's own addresses other than loopback are permitted (docs/limits.md): a
// server of the host that listens on all addresses is reachable through them.
type guard struct {
	hostLoopback bool // 10.0.2.2 and fd00:2::2 stand for 127.0.0.1 and ::1
}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8") // RFC 1122 3.2.1.3; Linux takes 0.0.0.0 for loopback
	broadcast   = netip.MustParseAddr("255.255.255.255")
	// compatible holds ::, ::1 and the deprecated IPv4-compatible addresses
	// (RFC 4291 section 2.5.5.1).
	compatible = netip.MustParsePrefix("::/96")
	loopback4  = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	loopback6  = netip.IPv6Loopback()
)

// check decides on dst, the destination of a packet from the sandbox. With
// permit, the address is the one the host is to use for it.
func (g guard) check(dst netip.Addr) (netip.Addr, action) {
	switch {
	case !dst.IsValid(), dst.Zone() != "", dst.Is4In6():
		// A v4-mapped address is a notation of sockets and martian on the
		// wire (RFC 4038 section 4.2). The host's connect(2) would take
		// ::ffff:127.0.0.1 for 127.0.0.1.
		return netip.Addr{}, noNet
	case dst == uplink.Gateway4:
		return g.host(loopback4)
	case dst == uplink.Gateway6:
		return g.host(loopback6)
	case uplink.Net4.Contains(dst), uplink.Net6.Contains(dst):
		return netip.Addr{}, noHost
	case dst.IsMulticast(), dst == broadcast:
		return netip.Addr{}, ignore
	case dst.IsLoopback(), thisNetwork.Contains(dst), compatible.Contains(dst):
		return netip.Addr{}, noNet
	case dst.IsLinkLocalUnicast():
		// Routers must not forward them (RFC 3927 section 7, RFC 4291
		// section 2.5.6); it keeps cloud metadata services out of reach.
		return netip.Addr{}, noNet
	}
	return dst, permit
}

func (g guard) host(loopback netip.Addr) (netip.Addr, action) {
	if !g.hostLoopback {
		return netip.Addr{}, refuse
	}
	return loopback, permit
}

// Permit says whether the host's sockets may be used for dst, and which address
// stands for it there: for who has sockets of his own.
func (n *NAT) Permit(dst netip.Addr) (netip.Addr, bool) {
	a, act := n.guard.check(dst)
	if act != permit {
		n.count.denied.Add(1)
	}
	return a, act == permit
}
