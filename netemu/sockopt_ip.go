package netemu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// ipOptions are the rows of level SOL_IP, see ip(7).
var ipOptions = map[int32]option{
	unix.IP_TTL:                  ttl("IP_TTL", stack.TTL, defaultTTL),
	unix.IP_TOS:                  number("IP_TOS", stack.TOS, 0, 255),
	unix.IP_MULTICAST_TTL:        ttl("IP_MULTICAST_TTL", stack.MulticastTTL, 1),
	unix.IP_MULTICAST_LOOP:       flag("IP_MULTICAST_LOOP", stack.MulticastLoop),
	unix.IP_MULTICAST_IF:         {name: "IP_MULTICAST_IF", set: setMulticastInterface},
	unix.IP_ADD_MEMBERSHIP:       membership("IP_ADD_MEMBERSHIP", abi.ParseIPMreq, join),
	unix.IP_DROP_MEMBERSHIP:      membership("IP_DROP_MEMBERSHIP", abi.ParseIPMreq, leave),
	unix.MCAST_JOIN_GROUP:        membership("MCAST_JOIN_GROUP", abi.ParseGroupReq, join),
	unix.MCAST_LEAVE_GROUP:       membership("MCAST_LEAVE_GROUP", abi.ParseGroupReq, leave),
	unix.IP_MULTICAST_ALL:        rememberedFlag("IP_MULTICAST_ALL", "groups are told apart by membership", 1),
	unix.IP_MTU_DISCOVER:         number("IP_MTU_DISCOVER", stack.MTUDiscover, unix.IP_PMTUDISC_DONT, unix.IP_PMTUDISC_OMIT),
	unix.IP_MTU:                  {name: "IP_MTU", get: getMTU},
	unix.IP_PKTINFO:              want("IP_PKTINFO", func(w *wanted) *bool { return &w.pktInfo }, stack.ReceivePktInfo),
	unix.IP_RECVTTL:              want("IP_RECVTTL", func(w *wanted) *bool { return &w.ttl }, stack.ReceiveTTL),
	unix.IP_RECVTOS:              want("IP_RECVTOS", func(w *wanted) *bool { return &w.tos }, stack.ReceiveTOS),
	unix.IP_RECVERR:              receiveErrors("IP_RECVERR", stack.RecvErr4),
	unix.IP_HDRINCL:              flag("IP_HDRINCL", stack.HeaderIncluded),
	unix.IP_RECVOPTS:             rememberedFlag("IP_RECVOPTS", "IP options are not passed on", 0),
	unix.IP_RETOPTS:              rememberedFlag("IP_RETOPTS", "IP options are not passed on", 0),
	unix.IP_FREEBIND:             rememberedFlag("IP_FREEBIND", "only local addresses can be bound", 0),
	unix.IP_BIND_ADDRESS_NO_PORT: rememberedFlag("IP_BIND_ADDRESS_NO_PORT", "a port is taken at bind(2)", 0),
	unix.IP_OPTIONS:              {name: "IP_OPTIONS", set: refuseIPOptions, get: empty, partial: "only none can be set"},
	unix.IP_PKTOPTIONS:           {name: "IP_PKTOPTIONS", get: empty},
}

// rawOptions are the rows of level SOL_RAW, see raw(7).
var rawOptions = map[int32]option{
	icmpFilter:      {name: "ICMP_FILTER", set: setICMPFilter, get: getICMPFilter},
	ipv6ChecksumRaw: number("IPV6_CHECKSUM", stack.IPv6Checksum, -1, 65535),
}

// udpOptions are the rows of level SOL_UDP, see udp(7).
var udpOptions = map[int32]option{
	unix.UDP_CORK: {name: "UDP_CORK", get: func(socket, int) ([]byte, unix.Errno) { return abi.IntBytes(0), 0 }, partial: "cannot be set"},
}

const (
	icmpFilter      = 1 // ICMP_FILTER (<linux/icmp.h>)
	ipv6ChecksumRaw = 7 // IPV6_CHECKSUM (<linux/in6.h>), also on level SOL_RAW
	defaultTTL      = 64
)

// ttl is a time to live: -1 restores the default, else 1 to 255 (0 too for
// multicast).
func ttl(name string, o stack.IntOption, initial int32) option {
	row := number(name, o, -1, 255)
	set := row.set
	row.set = func(s socket, value []byte) unix.Errno {
		v, errno := abi.ParseIntOrByte(value)
		switch {
		case errno != 0:
			return errno
		case v == 0 && initial != 1:
			return unix.EINVAL
		case v == -1:
			value = abi.IntBytes(initial)
		}
		return set(s, value)
	}
	return row
}

// receiveErrors is IP_RECVERR and IPV6_RECVERR; ICMP echo sockets keep the
// queue themselves.
func receiveErrors(name string, o stack.BoolOption) option {
	row := flag(name, o)
	set := row.set
	row.set = func(s socket, value []byte) unix.Errno {
		if d, ok := s.(*datagram); ok {
			if p, ok := d.tr.(*ping); ok {
				v, errno := abi.ParseIntOrByte(value)
				if errno == 0 {
					p.setRecvErr(v != 0)
				}
				return errno
			}
		}
		return set(s, value)
	}
	return row
}

func membership(name string, parse func([]byte) (abi.Membership, unix.Errno), do func(*stack.Endpoint, abi.Membership) unix.Errno) option {
	return option{name: name, set: func(s socket, value []byte) unix.Errno {
		m, errno := parse(value)
		if errno != 0 {
			return errno
		}
		return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return do(ep, m) })
	}}
}

func join(ep *stack.Endpoint, m abi.Membership) unix.Errno {
	return ep.JoinGroup(m.Group, m.NIC, specified(m.Local))
}

func leave(ep *stack.Endpoint, m abi.Membership) unix.Errno {
	return ep.LeaveGroup(m.Group, m.NIC, specified(m.Local))
}

func setMulticastInterface(s socket, value []byte) unix.Errno {
	m, errno := abi.ParseMulticastInterface(value)
	if errno != 0 {
		return errno
	}
	return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetMulticastInterface(m.NIC, specified(m.Local)) })
}

// getMTU is IP_MTU and IPV6_MTU: of the interface, for connected sockets.
func getMTU(s socket, _ int) ([]byte, unix.Errno) {
	if _, errno := s.peer(); errno != 0 {
		return nil, unix.ENOTCONN
	}
	local, errno := s.name()
	if errno != 0 {
		return nil, errno
	}
	for _, i := range s.stack().Interfaces() {
		for _, a := range i.Addrs {
			if a.Addr() == local.Addr.Addr().Unmap() {
				return abi.IntBytes(int32(i.MTU)), 0
			}
		}
	}
	return nil, unix.ENOTCONN
}

func empty(socket, int) ([]byte, unix.Errno) { return nil, 0 }

func refuseIPOptions(_ socket, value []byte) unix.Errno {
	if len(value) > 0 {
		return unix.EPERM
	}
	return 0
}

func setICMPFilter(s socket, value []byte) unix.Errno {
	r, ok := rawOf(s, unix.IPPROTO_ICMP)
	if !ok {
		return unix.EOPNOTSUPP
	}
	var b [4]byte
	copy(b[:], value)
	r.filter.Store(binary.NativeEndian.Uint32(b[:]))
	return 0
}

func getICMPFilter(s socket, _ int) ([]byte, unix.Errno) {
	r, ok := rawOf(s, unix.IPPROTO_ICMP)
	if !ok {
		return nil, unix.EOPNOTSUPP
	}
	return abi.IntBytes(int32(r.filter.Load())), 0
}

func rawOf(s socket, protocol int) (*raw, bool) {
	d, ok := s.(*datagram)
	if !ok {
		return nil, false
	}
	r, ok := d.tr.(*raw)
	return r, ok && r.protocol == protocol
}
