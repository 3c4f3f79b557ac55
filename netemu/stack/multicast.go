package stack

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

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
	return e.setMembership(&o, m, true)
}

// LeaveGroup is IP_DROP_MEMBERSHIP and IPV6_LEAVE_GROUP: EADDRNOTAVAIL when not
// joined.
func (e *Endpoint) LeaveGroup(group netip.Addr, nic int32, local netip.Addr) unix.Errno {
	m, en := e.membership(group, nic, local)
	if en != 0 {
		return en
	}
	o := tcpip.RemoveMembershipOption(m)
	return e.setMembership(&o, m, false)
}

// setMembership tells netstack of a change. It panics at one after Close.
func (e *Endpoint) setMembership(o tcpip.SettableSocketOption, m tcpip.MembershipOption, member bool) unix.Errno {
	e.groups.Lock()
	defer e.groups.Unlock()
	if e.closed {
		return unix.EBADF
	}
	en := errno(e.ep.SetSockOpt(o))
	if en == 0 {
		e.joined = slices.DeleteFunc(e.joined, func(j tcpip.MembershipOption) bool { return j == m })
		if member {
			e.joined = append(e.joined, m)
		}
	}
	return en
}

// Group is a multicast group that an interface is in.
type Group struct {
	NIC   int32
	Addr  netip.Addr
	Users int // sockets that have joined it
}

// Groups lists what sockets have joined, by interface and address.
func (s *Stack) Groups() []Group {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.socks))
	s.mu.Unlock()
	users := map[Group]int{}
	for _, e := range all {
		e.groups.Lock()
		for _, m := range e.joined {
			users[Group{NIC: int32(m.NIC), Addr: toAddr(m.MulticastAddr)}]++
		}
		e.groups.Unlock()
	}
	list := make([]Group, 0, len(users))
	for g, n := range users {
		g.Users = n
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b Group) int { return cmp.Or(cmp.Compare(a.NIC, b.NIC), a.Addr.Compare(b.Addr)) })
	return list
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
