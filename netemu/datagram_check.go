package netemu

import (
	"math"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/netemu/surrogate"
	"netbox/trap"
)

// checkSize makes the checks that come before the address. udpv6_sendmsg has
// none: it knows no MSG_OOB, and finds the size last.
func (d *datagram) checkSize(o outgoing) unix.Errno {
	ipv6 := d.idn.family == unix.AF_INET6
	switch {
	case d.idn.family == unix.AF_INET:
		return checkIPv4(o)
	case ipv6 && d.idn.protocol == unix.IPPROTO_UDP:
	case o.flags&unix.MSG_OOB != 0:
		return unix.EOPNOTSUPP
	}
	return 0
}

// checkMapped makes the checks of a datagram to IPv4: udpv6_sendmsg goes on with
// udp_sendmsg.
func (d *datagram) checkMapped(o outgoing) unix.Errno {
	if d.idn.family == unix.AF_INET6 {
		if only, errno := d.tr.endpoint().GetBool(stack.V6Only); errno == 0 && only {
			return unix.ENETUNREACH
		}
	}
	return checkIPv4(o)
}

// checkIPv4 is how udp_sendmsg, ping_v4_sendmsg and raw_sendmsg begin.
func checkIPv4(o outgoing) unix.Errno {
	switch {
	case o.length() > math.MaxUint16:
		return unix.EMSGSIZE
	case o.flags&unix.MSG_OOB != 0:
		return unix.EOPNOTSUPP
	}
	return 0
}

// checkDestination is EDESTADDRREQ for a datagram without one, and EINVAL for
// a port of 0, which only a peer may have. udpv6_sendmsg hands an IPv4 peer on to
// udp_sendmsg as an address like any other.
func (d *datagram) checkDestination(to *abi.Sockaddr, isIPv4 bool) unix.Errno {
	if to == nil && d.idn.family != unix.AF_PACKET {
		peer, errno := d.tr.peer()
		if errno != 0 {
			return unix.EDESTADDRREQ
		}
		if d.idn.family == unix.AF_INET || !isIPv4 {
			return 0
		}
		to = &peer
	}
	if _, ok := d.tr.(*udp); ok && to.Addr.Port() == 0 {
		return unix.EINVAL
	}
	return 0
}

// payload reads what is to be sent. What is wrong comes in the order of
// __ip_append_data: the length, a pending error, a shutdown, the task's memory. To
// what is added to an open datagram the second and third are nothing.
func (d *datagram) payload(t trap.Task, o outgoing, to *abi.Sockaddr, sc *stack.SendControl) ([]byte, unix.Errno) {
	limit := surrogate.MaxDatagram
	if d.idn.family == unix.AF_NETLINK {
		limit = maxNetlinkMessage
	}
	corked, open := d.cork.opened()
	if open {
		if errno := d.checkLength(d.cork.length()+o.length(), &corked); errno != 0 {
			return nil, errno
		}
	}
	if !open && d.tr.endpoint() != nil {
		errno := d.checkLength(o.length(), to)
		if errno == 0 && d.sendsTell() && d.isPending() {
			if errno = d.unrouted(to, sc); errno == 0 { // else it stays pending
				errno = d.pendingError()
			}
		}
		if errno == 0 && d.isWriteShut() {
			errno = unix.EPIPE
		}
		if errno != 0 {
			return nil, errno
		}
	}
	return gather(t, o.vec, limit)
}

// checkLength is EMSGSIZE for a datagram that does not fit.
func (d *datagram) checkLength(n uint64, to *abi.Sockaddr) unix.Errno {
	errno := d.tr.endpoint().CheckLength(int(min(n, maxTransfer)), stackAddrOf(to))
	if errno != 0 {
		d.takeQueued() // an error of this host's comes by no notification
	}
	return errno
}

// unrouted says why there is no way to to. What is added to an open datagram goes
// that one's.
func (d *datagram) unrouted(to *abi.Sockaddr, sc *stack.SendControl) unix.Errno {
	_, open := d.cork.opened()
	if ep := d.tr.endpoint(); ep != nil && !open {
		return ep.CheckSend(stackAddrOf(to), sc)
	}
	return 0
}

// loopbackIfMapped is IPv4's loopback for the wildcard of IPv6, to an IPv6 socket whose
// own address is one of IPv4 (udpv6_sendmsg, __ip6_datagram_connect).
func (d *datagram) loopbackIfMapped(a netip.AddrPort) netip.AddrPort {
	if a.Addr() != netip.IPv6Unspecified() {
		return a
	}
	if name, errno := d.tr.name(); errno != 0 || !name.Addr.Addr().Is4In6() {
		return a
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}), a.Port())
}
