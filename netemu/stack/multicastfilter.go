package stack

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// JoinSource is IP_ADD_SOURCE_MEMBERSHIP and MCAST_JOIN_SOURCE_GROUP: the group
// is joined for one source, or that one is added to those joined before.
func (e *Endpoint) JoinSource(g Membership, source netip.Addr) unix.Errno {
	if en := e.join(g, FilterInclude); en != 0 && en != unix.EADDRINUSE {
		return en
	}
	return e.ChangeSource(g, source, FilterInclude, true)
}

// ChangeSource adds a source to the list of a group, or takes it off it:
// ip_mc_source (net/ipv4/igmp.c) and ip6_mc_source (net/ipv6/mcast.c). EINVAL:
// not joined, or the list is of the other mode. EADDRNOTAVAIL: it has the
// source already, or not. Taking the last source off a list to include leaves
// the group.
func (e *Endpoint) ChangeSource(g Membership, source netip.Addr, mode FilterMode, add bool) unix.Errno {
	e.groups.Lock()
	defer e.groups.Unlock()
	i, en := e.memberToFilter(g)
	if en != 0 {
		return en
	}
	m := &e.members[i]
	if len(m.sources) > 0 && m.mode != mode {
		return unix.EINVAL
	}
	m.mode = mode
	at := slices.Index(m.sources, source)
	switch {
	case !add && at < 0, add && at >= 0:
		return unix.EADDRNOTAVAIL
	case !add && len(m.sources) == 1 && mode == FilterInclude:
		e.leave(i)
	case !add:
		m.sources = slices.Delete(m.sources, at, at+1)
	case len(m.sources) >= maxSources(g.Addr):
		return unix.ENOBUFS
	default:
		m.sources = append(m.sources, source)
	}
	return 0
}

func maxSources(group netip.Addr) int {
	if group.Is4() {
		return MaxSources4
	}
	return MaxSources6
}

// memberToFilter finds a joined group. EINVAL: it is not, or no group.
func (e *Endpoint) memberToFilter(g Membership) (int, unix.Errno) {
	if !g.Addr.IsMulticast() {
		return -1, unix.EINVAL
	}
	nic, en := e.s.groupInterface(g)
	if en != 0 {
		return -1, en
	}
	if i := e.findMember(g.Addr, nic); i >= 0 {
		return i, 0
	}
	return -1, unix.EINVAL
}

// SetFilter is IP_MSFILTER and MCAST_MSFILTER: the whole list. A list to
// include that is empty leaves the group. ENOBUFS: it is too long.
func (e *Endpoint) SetFilter(g Membership, mode FilterMode, sources []netip.Addr) unix.Errno {
	switch {
	case len(sources) > maxSources(g.Addr):
		return unix.ENOBUFS
	case !g.Addr.IsMulticast(), mode != FilterInclude && mode != FilterExclude:
		return unix.EINVAL
	}
	e.groups.Lock()
	defer e.groups.Unlock()
	i, en := e.memberToFilter(g)
	switch {
	case mode == FilterInclude && len(sources) == 0 && en == unix.EINVAL:
		return unix.EADDRNOTAVAIL
	case en != 0:
		return en
	case mode == FilterInclude && len(sources) == 0:
		e.leave(i)
	default:
		e.members[i].mode, e.members[i].sources = mode, slices.Clone(sources)
	}
	return 0
}

// Filter is the list of a joined group. EADDRNOTAVAIL: it is not joined.
func (e *Endpoint) Filter(g Membership) (FilterMode, []netip.Addr, unix.Errno) {
	e.groups.Lock()
	defer e.groups.Unlock()
	i, en := e.memberToFilter(g)
	if en == unix.EINVAL && g.Addr.IsMulticast() {
		en = unix.EADDRNOTAVAIL
	}
	if en != 0 {
		return 0, nil, en
	}
	return e.members[i].mode, slices.Clone(e.members[i].sources), 0
}

// isWanted says whether the socket is to get a datagram that has come
// (ip_mc_sf_allow, inet6_mc_check). Groups that only others have joined are
// wanted too unless IP_MULTICAST_ALL is off.
func (e *Endpoint) isWanted(d Datagram) bool {
	if d.PktInfo == nil || !d.PktInfo.Dst.Unmap().IsMulticast() {
		return true
	}
	group, source, nic := d.PktInfo.Dst.Unmap(), d.From.Addr().Unmap(), d.PktInfo.NIC
	e.groups.Lock()
	defer e.groups.Unlock()
	i := e.findMember(group, nic)
	if i < 0 {
		all := MulticastAll4
		if group.Is6() {
			all = MulticastAll6
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.flags[all]
	}
	m := e.members[i]
	return slices.Contains(m.sources, source) == (m.mode == FilterInclude)
}
