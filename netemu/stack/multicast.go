package stack

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// Membership names a multicast group on an interface: by its index, by an IPv4
// address of it, or, with neither, the one that a route leads to the group by.
type Membership struct {
	Addr  netip.Addr
	NIC   int32
	Local netip.Addr
}

// FilterMode says what a list of sources means: MCAST_INCLUDE, only datagrams
// from these are wanted; MCAST_EXCLUDE, none of them.
type FilterMode uint32

// The filter modes (<linux/in.h>).
const (
	FilterExclude FilterMode = 0
	FilterInclude FilterMode = 1
)

// member is a group that a socket has joined.
type member struct {
	group   netip.Addr
	nic     int32
	mode    FilterMode
	sources []netip.Addr
}

// Bounds of a socket's groups and of a group's sources: the defaults of
// net.ipv4.igmp_max_memberships, igmp_max_msf and net.ipv6.mld_max_msf. IPv6
// has no bound of groups but memory (net.core.optmem_max, 128 KiB).
const (
	maxGroups4  = 20
	maxGroups6  = 2048
	MaxSources4 = 10
	MaxSources6 = 64
)

// JoinGroup is IP_ADD_MEMBERSHIP and its like: EADDRINUSE when joined already,
// ENODEV without an interface, ENOBUFS when there are too many.
func (e *Endpoint) JoinGroup(g Membership) unix.Errno { return e.join(g, FilterExclude) }

// join is ip_mc_join_group and ipv6_sock_mc_join.
func (e *Endpoint) join(g Membership, mode FilterMode) unix.Errno {
	if !g.Addr.IsMulticast() {
		return unix.EINVAL
	}
	e.groups.Lock()
	defer e.groups.Unlock()
	if e.closed {
		return unix.EBADF
	}
	if g.Addr.Is6() && e.findMember(g.Addr, g.NIC) >= 0 {
		return unix.EADDRINUSE
	}
	nic, en := e.s.groupInterface(g)
	if en != 0 {
		return en
	}
	most := maxGroups4
	if g.Addr.Is6() {
		most = maxGroups6
	}
	switch {
	case e.findMember(g.Addr, nic) >= 0:
		return unix.EADDRINUSE
	case len(e.members) >= most:
		return unix.ENOBUFS
	}
	if err := e.s.net.JoinGroup(netProto(g.Addr), tcpip.NICID(nic), fromAddr(g.Addr)); err != nil {
		return errno(err)
	}
	e.members = append(e.members, member{group: g.Addr, nic: nic, mode: mode})
	return 0
}

// LeaveGroup is IP_DROP_MEMBERSHIP and its like: EADDRNOTAVAIL when not joined.
func (e *Endpoint) LeaveGroup(g Membership) unix.Errno {
	e.groups.Lock()
	defer e.groups.Unlock()
	nic := g.NIC
	if nic == 0 && g.Addr.Is4() {
		found, en := e.s.groupInterface(g)
		switch {
		case en == 0 && g.Local.IsValid() && !g.Local.IsUnspecified():
			nic = found
		case en != 0 && !g.Local.IsValid():
			return unix.ENODEV
		case en != 0:
			return unix.EADDRNOTAVAIL
		}
	}
	i := e.findMember(g.Addr, nic)
	if i < 0 {
		return unix.EADDRNOTAVAIL
	}
	e.leave(i)
	return 0
}

// leave takes member i away. That its interface is gone does not matter.
func (e *Endpoint) leave(i int) {
	m := e.members[i]
	e.members = slices.Delete(e.members, i, i+1)
	e.s.net.LeaveGroup(netProto(m.group), tcpip.NICID(m.nic), fromAddr(m.group))
}

// leaveAll is for a socket that is closed.
func (e *Endpoint) leaveAll() {
	for len(e.members) > 0 {
		e.leave(len(e.members) - 1)
	}
}

// findMember is the place of a group among those joined, on any interface for
// 0; -1: not joined.
func (e *Endpoint) findMember(group netip.Addr, nic int32) int {
	return slices.IndexFunc(e.members, func(m member) bool { return m.group == group && (nic == 0 || m.nic == nic) })
}

// groupInterface is ip_mc_find_dev: ENODEV when there is no such interface.
func (s *Stack) groupInterface(g Membership) (int32, unix.Errno) {
	nic := g.NIC
	switch {
	case nic != 0:
	case g.Local.IsValid() && !g.Local.IsUnspecified():
		nic = int32(s.net.CheckLocalAddress(0, netProto(g.Local), fromAddr(g.Local)))
	default:
		if r, err := s.net.FindRoute(0, tcpip.Address{}, fromAddr(g.Addr), netProto(g.Addr), false); err == nil {
			nic = int32(r.NICID())
			r.Release()
		}
	}
	if nic == 0 || !s.hasInterface(nic) {
		return 0, unix.ENODEV
	}
	return nic, 0
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
		for _, m := range e.members {
			users[Group{NIC: m.nic, Addr: m.group}]++
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
