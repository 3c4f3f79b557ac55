package stack

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// loopbackIfAny replaces the wildcard as destination: "connecting to INADDR_ANY
// connects to the loopback" (ip(7)), in the form that was asked for.
func (e *Endpoint) loopbackIfAny(a Addr) Addr {
	ip := a.Addr()
	if ip.IsValid() && !ip.Unmap().IsUnspecified() {
		return a
	}
	lo := netip.IPv6Loopback()
	if e.family == Inet4 || ip.Unmap().Is4() {
		lo = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if local, err := e.ep.GetLocalAddress(); err == nil && local.Addr.BitLen() != 0 {
		lo = toAddr(local.Addr)
	}
	a.AddrPort = netip.AddrPortFrom(lo, a.Port())
	return a
}

// NeedsScope says whether an address means something on one link only
// (__ipv6_addr_needs_scope_id).
func NeedsScope(a netip.Addr) bool {
	return a.Is6() && !a.Is4In6() && (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast())
}

// checkDestination says what is wrong with sending to ip before netstack looks.
func (e *Endpoint) checkDestination(ip netip.Addr) unix.Errno {
	if ip.Is4In6() && e.ep.SocketOptions().GetV6Only() {
		return unix.ENETUNREACH
	}
	if e.kind != kindTCP && e.family == Inet6 && ip.IsValid() && !ip.Is4In6() && !ip.IsUnspecified() {
		if local, err := e.ep.GetLocalAddress(); err == nil && toAddr(local.Addr).Is4() {
			return unix.EAFNOSUPPORT // udpv6_sendmsg of a socket bound to a v4-mapped address
		}
	}
	broadcast := e.s.isBroadcast(ip.Unmap())
	if local, err := e.ep.GetLocalAddress(); broadcast && !e.s.routed(ip) && (err != nil || local.Addr.BitLen() != 32) {
		return unix.ENETUNREACH // with a source address its device is the way
	}
	if e.kind == kindTCP && (broadcast || ip.Unmap().IsMulticast()) {
		return unix.ENETUNREACH
	}
	if broadcast && !e.ep.SocketOptions().GetBroadcast() {
		return unix.EACCES
	}
	return e.s.refused(ip)
}

// routeErrno corrects the error of a route lookup to what Linux's says.
func (e *Endpoint) routeErrno(dst netip.Addr, en unix.Errno) unix.Errno {
	if en != unix.EHOSTUNREACH && en != unix.ENETUNREACH {
		return en
	}
	local, err := e.ep.GetLocalAddress()
	if err == nil && toAddr(local.Addr).IsLoopback() && !dst.Unmap().IsLoopback() && e.s.routed(dst) {
		return unix.EINVAL // a loopback source on another device, ip_route_output_key
	}
	return unix.ENETUNREACH
}

// routed says whether a route beyond loopback leads to ip.
func (s *Stack) routed(ip netip.Addr) bool {
	return slices.ContainsFunc(s.routes, func(r Route) bool { return r.Dst.Contains(ip.Unmap()) })
}

// isBroadcast says whether ip is the limited or eth0's directed broadcast.
func (s *Stack) isBroadcast(ip netip.Addr) bool {
	if !ip.Is4() {
		return false
	}
	a := fromAddr(ip)
	return a == header.IPv4Broadcast || s.net.IsSubnetBroadcast(0, header.IPv4ProtocolNumber, a)
}
