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
	local, err := e.ep.GetLocalAddress()
	own := toAddr(local.Addr)
	otherVersion := ip.Unmap().Is4() && !own.Unmap().Is4() // that cannot send there
	if err == nil && own.IsValid() && !otherVersion && (local.Addr.BitLen() != 32 || e.hasSource()) {
		lo = own
	}
	a.AddrPort = netip.AddrPortFrom(lo, a.Port())
	return a
}

// NeedsScope says whether an address means something on one link only
// (__ipv6_addr_needs_scope_id).
func NeedsScope(a netip.Addr) bool {
	return a.Is6() && !a.Is4In6() && (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast())
}

// connectScope binds the socket to the interface of a link-local address that it
// connects to, also if it fails then (__ip6_datagram_connect, tcp_v6_connect).
func (e *Endpoint) connectScope(a Addr) unix.Errno {
	switch bound := e.ep.SocketOptions().GetBindToDevice(); {
	case bound == 0 && a.NIC == 0, bound != 0 && a.NIC != 0 && a.NIC != bound:
		return unix.EINVAL
	case bound == 0:
		e.BindScope(a.NIC)
	}
	return 0
}

// BindScope binds the socket to an interface. One that is not there is forgotten.
func (e *Endpoint) BindScope(nic int32) { _ = e.ep.SocketOptions().SetBindToDevice(nic) }

// checkDestination says what is wrong with sending to a before netstack looks.
func (e *Endpoint) checkDestination(a Addr) unix.Errno {
	ip := a.Addr()
	if e.family == Inet6 {
		if en := e.checkDestination6(a); en != 0 {
			return en
		}
	}
	broadcast := e.s.isBroadcast(ip.Unmap())
	if broadcast && !e.s.routed(ip) && !e.hasSource() && e.ep.SocketOptions().GetBindToDevice() == 0 {
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

// hasSource says whether an IPv4 socket has an address to send from (inet_saddr).
// One that is bound to a group or a broadcast address has none.
func (e *Endpoint) hasSource() bool { return e.source().Is4() }

// source is the address that the socket sends from, invalid while the route decides.
func (e *Endpoint) source() netip.Addr {
	local, err := e.ep.GetLocalAddress()
	ip := toAddr(local.Addr)
	if err != nil || !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || e.s.isBroadcast(ip) {
		return netip.Addr{}
	}
	return ip
}

// checkDestination6 is what an IPv6 socket adds.
func (e *Endpoint) checkDestination6(a Addr) unix.Errno {
	ip := a.Addr()
	if ip.Unmap().Is4() {
		if e.ep.SocketOptions().GetV6Only() {
			return unix.ENETUNREACH
		}
		return 0
	}
	nic := a.NIC
	if nic == 0 {
		nic = e.ep.SocketOptions().GetBindToDevice()
	}
	if (ip.IsLinkLocalUnicast() || ip.IsMulticast()) && nic == Loopback {
		return unix.ENETUNREACH // which netstack takes for its own network
	}
	local, err := e.ep.GetLocalAddress()
	switch {
	case err != nil || !toAddr(local.Addr).Is4() || !ip.IsValid() || ip.IsUnspecified():
		return 0
	case e.s.MTUTowards(ip) == 0:
		return unix.ENETUNREACH
	}
	return unix.EAFNOSUPPORT // a v4-mapped source address (ip6_dst_lookup_tail)
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

// RoutesMapped says whether a route of IPv6, the default route say, leads to the
// v4-mapped address ip, where nobody is.
func (s *Stack) RoutesMapped(ip netip.Addr) bool {
	return slices.ContainsFunc(s.routes, func(r Route) bool { return r.Dst.Contains(ip) })
}

// isBroadcast says whether ip is the limited or eth0's directed broadcast.
func (s *Stack) isBroadcast(ip netip.Addr) bool {
	if !ip.Is4() {
		return false
	}
	a := fromAddr(ip)
	return a == header.IPv4Broadcast || s.net.IsSubnetBroadcast(0, header.IPv4ProtocolNumber, a)
}
