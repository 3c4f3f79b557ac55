package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// JoinGroup is IP_ADD_MEMBERSHIP and IPV6_JOIN_GROUP: on the interface nic, or
// on the one with the address local, or on the one that a route gives.
// EADDRINUSE when joined already, ENODEV without an interface.
func (e *Endpoint) JoinGroup(group netip.Addr, nic int32, local netip.Addr) unix.Errno {
	m, en := e.membership(group, nic, local)
	if en != 0 {
		return en
	}
	o := tcpip.AddMembershipOption(m)
	return e.setMembership(&o)
}

// LeaveGroup is IP_DROP_MEMBERSHIP and IPV6_LEAVE_GROUP: EADDRNOTAVAIL when not
// joined.
func (e *Endpoint) LeaveGroup(group netip.Addr, nic int32, local netip.Addr) unix.Errno {
	m, en := e.membership(group, nic, local)
	if en != 0 {
		return en
	}
	o := tcpip.RemoveMembershipOption(m)
	return e.setMembership(&o)
}

// setMembership tells netstack of a change. It panics at one after Close.
func (e *Endpoint) setMembership(o tcpip.SettableSocketOption) unix.Errno {
	e.groups.Lock()
	defer e.groups.Unlock()
	if e.closed {
		return unix.EBADF
	}
	return errno(e.ep.SetSockOpt(o))
}

// membership finds the interface of a group: eth0 when nothing names one, as
// the default route would, else lo.
func (e *Endpoint) membership(group netip.Addr, nic int32, local netip.Addr) (tcpip.MembershipOption, unix.Errno) {
	if !group.IsMulticast() {
		return tcpip.MembershipOption{}, unix.EINVAL
	}
	if local.IsValid() && !local.IsUnspecified() && nic == 0 {
		nic = int32(e.s.net.CheckLocalAddress(0, netProto(local), fromAddr(local)))
		if nic == 0 {
			return tcpip.MembershipOption{}, unix.ENODEV
		}
	}
	if nic == 0 {
		nic = Ethernet
		if !e.s.hasInterface(nic) {
			nic = Loopback
		}
	}
	if !e.s.hasInterface(nic) {
		return tcpip.MembershipOption{}, unix.ENODEV
	}
	return tcpip.MembershipOption{NIC: tcpip.NICID(nic), MulticastAddr: fromAddr(group.Unmap())}, 0
}

// SetMulticastInterface is IP_MULTICAST_IF and IPV6_MULTICAST_IF: EADDRNOTAVAIL
// without such an interface or address.
func (e *Endpoint) SetMulticastInterface(nic int32, local netip.Addr) unix.Errno {
	if nic != 0 && !e.s.hasInterface(nic) {
		return unix.EADDRNOTAVAIL
	}
	if e.family == Inet6 {
		return errno(e.ep.SetSockOptInt(tcpip.IPv6MulticastInterfaceOption, int(nic)))
	}
	o := tcpip.MulticastInterfaceOption{NIC: tcpip.NICID(nic)}
	if local.IsValid() && !local.IsUnspecified() {
		o.InterfaceAddr = fromAddr(local)
	}
	return errno(e.ep.SetSockOpt(&o))
}
