package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Metrics of IPv6 routes (IP6_RT_PRIO_USER, IP6_RT_PRIO_ADDRCONF,
// <linux/ipv6_route.h>).
const (
	MetricUser     = 1024
	MetricAddrconf = 256
)

// AddressRoutes are the rows that an address of interface i brings, in the
// order in which Linux makes them. Primary is the address's own, or the first
// of its network: what is sent there comes from that one.
func AddressRoutes(i Interface, a, primary Address) []Route {
	if a.Addr().Is6() {
		return addressRoutes6(i, a)
	}
	own := Route{
		Table: unix.RT_TABLE_LOCAL, Protocol: unix.RTPROT_KERNEL, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST,
		Dst: hostPrefix(a.Addr()), NIC: i.Index, Src: primary.Addr(),
	}
	all := []Route{own}
	network := a.Network()
	if !i.Up {
		return all
	}
	last := func(ip netip.Addr) {
		r := own
		r.Dst, r.Type, r.Scope = hostPrefix(ip), unix.RTN_BROADCAST, unix.RT_SCOPE_LINK
		all = append(all, r)
	}
	if a.Broadcast.IsValid() && a.Broadcast != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		last(a.Broadcast)
	}
	isHost := network.Addr() == a.Addr() && a.Bits() == 32
	if network.Addr().As4()[0] == 0 || a.Flags&unix.IFA_F_SECONDARY != 0 || isHost {
		return all
	}
	if a.Flags&unix.IFA_F_NOPREFIXROUTE == 0 {
		r := own
		r.Dst, r.Metric = network, a.Metric
		if !i.Loopback {
			r.Table, r.Type, r.Scope = unix.RT_TABLE_MAIN, unix.RTN_UNICAST, unix.RT_SCOPE_LINK
		}
		all = append(all, r)
	}
	if b := lastAddr(network); a.Bits() < 31 && b != a.Broadcast {
		last(b)
	}
	return all
}

func addressRoutes6(i Interface, a Address) []Route {
	own := Route{
		Table: unix.RT_TABLE_LOCAL, Protocol: unix.RTPROT_KERNEL, Type: unix.RTN_LOCAL, Dst: hostPrefix(a.Addr()), NIC: i.Index,
	}
	if a.Addr().IsLoopback() || a.Flags&unix.IFA_F_NOPREFIXROUTE != 0 {
		return []Route{own}
	}
	network := own
	network.Table, network.Type, network.Dst, network.Metric = unix.RT_TABLE_MAIN, unix.RTN_UNICAST, a.Network(), MetricAddrconf
	if a.Metric != 0 {
		network.Metric = a.Metric
	}
	return []Route{network, own}
}

// MulticastRoute is the way of IPv6 groups that an interface brings.
func MulticastRoute(i Interface) Route {
	return Route{
		Table: unix.RT_TABLE_LOCAL, Protocol: unix.RTPROT_KERNEL, Type: unix.RTN_MULTICAST,
		Dst: netip.MustParsePrefix("ff00::/8"), NIC: i.Index, Metric: MetricAddrconf,
	}
}

func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// lastAddr is the last address of an IPv4 network.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// LinkLocal is the link-local address that an interface has by its hardware
// address (RFC 4291 appendix A).
func LinkLocal(mac [6]byte) netip.Addr {
	a := [16]byte{0xfe, 0x80, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}
	return netip.AddrFrom16(a)
}
