package netemu

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// Netstack has one set of multicast options for an endpoint. On an IPv6 socket
// it is that of level SOL_IPV6, and SOL_IP's is only told back.

func setMulticastTTL(s socket, v int32) unix.Errno {
	if v == -1 {
		v = 1
	}
	if v < 0 || v > 255 {
		return unix.EINVAL
	}
	s.memo().put("IP_MULTICAST_TTL", int64(v))
	if isIPv6(s.id()) {
		return 0
	}
	return setNumber(s, stack.MulticastTTL, v)
}

func setMulticastLoop(s socket, v int32) unix.Errno {
	s.memo().put("IP_MULTICAST_LOOP", int64(oneIf(v != 0)))
	if isIPv6(s.id()) {
		return 0
	}
	return flag("", stack.MulticastLoop).setInt(s, v)
}

// setMulticastLoop6 is IPV6_MULTICAST_LOOP, which takes only 0 and 1.
func setMulticastLoop6(s socket, v int32) unix.Errno {
	if v != 0 && v != 1 {
		return unix.EINVAL
	}
	return flag("", stack.MulticastLoop).setInt(s, v)
}

// setMulticastInterface is IP_MULTICAST_IF: by index, or by an address of the
// interface; neither undoes it. EADDRNOTAVAIL: there is no such interface.
func setMulticastInterface(s socket, value []byte) unix.Errno {
	m, errno := abi.ParseMulticastInterface(value)
	if errno != 0 {
		return errno
	}
	if m.NIC == 0 && !m.Local.IsUnspecified() {
		m.NIC = interfaceOf(s, m.Local)
		if m.NIC == 0 {
			return unix.EADDRNOTAVAIL
		}
	}
	if m.NIC != 0 && !hasInterface(s, m.NIC) {
		return unix.EADDRNOTAVAIL
	}
	local := m.Local.As4()
	v, _ := abi.ParseInt(local[:])
	if !isIPv6(s.id()) {
		errno = withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetMulticastInterface(m.NIC, specified(m.Local)) })
	}
	if errno == 0 {
		s.memo().put("IP_MULTICAST_IF", int64(v))
	}
	return errno
}

// getMulticastInterface tells the address that was given.
func getMulticastInterface(s socket, _ int) ([]byte, unix.Errno) {
	return abi.IntBytes(int32(s.memo().get("IP_MULTICAST_IF", 0))), 0
}

// setMulticastInterface6 is IPV6_MULTICAST_IF: an interface index. ENODEV:
// there is no such interface.
func setMulticastInterface6(s socket, v int32) unix.Errno {
	if v != 0 && !hasInterface(s, v) {
		return unix.ENODEV
	}
	errno := withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetMulticastInterface(v, netip.Addr{}) })
	if errno == 0 {
		s.memo().put("IPV6_MULTICAST_IF", int64(v))
	}
	return errno
}

// membership is an option that joins or leaves a group, or changes its list of
// sources; its value has at least least bytes.
func membership(name string, least int, parse func([]byte) (abi.Membership, unix.Errno), do func(*stack.Endpoint, abi.Membership) unix.Errno) option {
	return option{name: name, least: least, size: max(least, abi.SizeofIPMreqn), set: func(s socket, value []byte) unix.Errno {
		m, errno := parse(value)
		if errno != 0 {
			return errno
		}
		takeArrived(s)
		return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return do(ep, m) })
	}}
}

// takeArrived judges what has come by the memberships that it came under:
// Linux does when it arrives, which is before send(2) returns, so what other
// sockets of the sandbox are sending comes first.
func takeArrived(s socket) {
	d, ok := s.(*datagram)
	if !ok {
		return
	}
	for _, other := range d.e.reg.all() {
		if other, ok := other.(*datagram); ok {
			other.flush()
		}
	}
	d.pull()
}

func groupOf(m abi.Membership) stack.Membership {
	return stack.Membership{Addr: m.Group, NIC: m.NIC, Local: specified(m.Local)}
}

func join(ep *stack.Endpoint, m abi.Membership) unix.Errno { return ep.JoinGroup(groupOf(m)) }

// leave is MCAST_LEAVE_GROUP and IPV6_DROP_MEMBERSHIP.
func leave(ep *stack.Endpoint, m abi.Membership) unix.Errno {
	if !m.Group.IsMulticast() {
		return unix.EINVAL
	}
	return ep.LeaveGroup(groupOf(m))
}

// leave4 is IP_DROP_MEMBERSHIP, to which any address is one not joined.
func leave4(ep *stack.Endpoint, m abi.Membership) unix.Errno { return ep.LeaveGroup(groupOf(m)) }

func joinSource(ep *stack.Endpoint, m abi.Membership) unix.Errno {
	return ep.JoinSource(groupOf(m), m.Source)
}

// changeSource adds a source to a group's list of mode, or takes it off.
func changeSource(mode stack.FilterMode, add bool) func(*stack.Endpoint, abi.Membership) unix.Errno {
	return func(ep *stack.Endpoint, m abi.Membership) unix.Errno {
		return ep.ChangeSource(groupOf(m), m.Source, mode, add)
	}
}

// sourceRows adds the MCAST_* options to a level's rows; most bounds the sources
// of a list.
func sourceRows(most int, rows map[int32]option) map[int32]option {
	row := func(name string, do func(*stack.Endpoint, abi.Membership) unix.Errno) option {
		return membership(name, abi.SizeofGroupSourceReq, abi.ParseGroupSourceReq, do)
	}
	rows[unix.MCAST_JOIN_GROUP] = membership("MCAST_JOIN_GROUP", abi.SizeofGroupReq, abi.ParseGroupReq, join)
	rows[unix.MCAST_LEAVE_GROUP] = membership("MCAST_LEAVE_GROUP", abi.SizeofGroupReq, abi.ParseGroupReq, leave)
	rows[unix.MCAST_JOIN_SOURCE_GROUP] = row("MCAST_JOIN_SOURCE_GROUP", joinSource)
	rows[unix.MCAST_LEAVE_SOURCE_GROUP] = row("MCAST_LEAVE_SOURCE_GROUP", changeSource(stack.FilterInclude, false))
	rows[unix.MCAST_BLOCK_SOURCE] = row("MCAST_BLOCK_SOURCE", changeSource(stack.FilterExclude, true))
	rows[unix.MCAST_UNBLOCK_SOURCE] = row("MCAST_UNBLOCK_SOURCE", changeSource(stack.FilterExclude, false))
	rows[unix.MCAST_MSFILTER] = option{name: "MCAST_MSFILTER", huge: true, least: abi.SizeofGroupFilter, size: abi.SizeofGroupFilter + most*abi.SizeofSockaddrStorage,
		set: setFilter(most, abi.ParseGroupFilter), partial: "cannot be read"}
	return rows
}

// setFilter is IP_MSFILTER and MCAST_MSFILTER.
func setFilter(most int, parse func([]byte, int) (abi.Filter, unix.Errno)) func(socket, []byte) unix.Errno {
	return func(s socket, value []byte) unix.Errno {
		f, errno := parse(value, most)
		if errno != 0 {
			return errno
		}
		takeArrived(s)
		return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno {
			return ep.SetFilter(groupOf(f.Membership), stack.FilterMode(f.Mode), f.Sources)
		})
	}
}

// interfaceOf is the index of the interface that has an address, 0 if none has.
func interfaceOf(s socket, a netip.Addr) int32 {
	for _, i := range s.stack().Interfaces() {
		for _, p := range i.Addrs {
			if p.Addr() == a {
				return i.Index
			}
		}
	}
	return 0
}

func hasInterface(s socket, index int32) bool {
	for _, i := range s.stack().Interfaces() {
		if i.Index == index {
			return true
		}
	}
	return false
}
