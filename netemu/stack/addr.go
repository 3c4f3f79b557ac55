package stack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Addr is an address with an optional port and interface. An invalid
// Addr.Addr() is the wildcard of the endpoint's family.
type Addr struct {
	netip.AddrPort
	NIC int32 // interface index, 0 any
}

// Family is an address family.
type Family uint8

// The families.
const (
	Inet4 Family = iota
	Inet6
)

// fromAddr converts an address; the invalid one becomes the empty one. A zone
// is lost: interfaces are numbers here.
func fromAddr(a netip.Addr) tcpip.Address {
	switch {
	case a.Is4():
		return tcpip.AddrFrom4(a.As4())
	case a.Is6():
		return tcpip.AddrFrom16(a.As16())
	default:
		return tcpip.Address{}
	}
}

// toAddr converts an address; the empty one becomes the invalid one.
func toAddr(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}

// full converts a for a call on an endpoint of family f. The wildcard becomes
// the empty address, except ::ffff:0.0.0.0, which binds IPv4 only. Linux
// heeds an interface only with link-local addresses (net/ipv6/datagram.c).
func (f Family) full(a Addr) tcpip.FullAddress {
	ip := a.Addr()
	fa := tcpip.FullAddress{Port: a.Port()}
	if ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsInterfaceLocalMulticast() {
		if ip.Is6() {
			fa.NIC = tcpip.NICID(a.NIC)
		}
	}
	if !ip.IsValid() || ip.IsUnspecified() {
		return fa
	}
	if f == Inet6 && ip.Is4() {
		ip = netip.AddrFrom16(ip.As16())
	}
	fa.Addr = fromAddr(ip)
	return fa
}

// addr converts what an endpoint of family f reported: v4 addresses in their
// v4-mapped form when the endpoint is AF_INET6, empty ones as the wildcard.
func (f Family) addr(fa tcpip.FullAddress) Addr {
	ip := toAddr(fa.Addr)
	switch {
	case !ip.IsValid() && f == Inet4:
		ip = netip.IPv4Unspecified()
	case !ip.IsValid():
		ip = netip.IPv6Unspecified()
	default:
		ip = f.mapped(ip)
	}
	a := Addr{AddrPort: netip.AddrPortFrom(ip, fa.Port)}
	if ip.Is6() && (ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast()) {
		a.NIC = int32(fa.NIC)
	}
	return a
}

// mapped gives an address the form that f's sockaddr has.
func (f Family) mapped(ip netip.Addr) netip.Addr {
	if f == Inet6 && ip.Is4() {
		return netip.AddrFrom16(ip.As16())
	}
	return ip
}
