package netemu

import (
	"encoding/binary"
	"math"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// ipOptions are the rows of level SOL_IP, see ip(7).
var ipOptions = sourceRows(stack.MaxSources4, map[int32]option{
	unix.IP_TTL:          atLeast(1, number("IP_TTL", stack.TTL, -1, 255)),
	unix.IP_TOS:          {name: "IP_TOS", setInt: setTOS, getInt: func(s socket) (int32, unix.Errno) { return getNumber(s, stack.TOS) }},
	unix.IP_MTU:          {name: "IP_MTU", getInt: getMTU},
	unix.IP_MTU_DISCOVER: {name: "IP_MTU_DISCOVER", setInt: setDiscover4, getInt: recall("IP_MTU_DISCOVER", unix.IP_PMTUDISC_WANT), partial: "on IPv6 sockets only told back"},
	unix.IP_HDRINCL:      {name: "IP_HDRINCL", deny: onRaw, setInt: flag("", stack.HeaderIncluded).setInt, getInt: getHeaderIncluded},
	unix.IP_PROTOCOL:     fixed("IP_PROTOCOL", protocolNumber),

	unix.IP_PKTINFO: want("IP_PKTINFO", func(w *wanted) *bool { return &w.pktInfo }, stack.ReceivePktInfo),
	unix.IP_RECVTTL: want("IP_RECVTTL", func(w *wanted) *bool { return &w.ttl }, stack.ReceiveTTL),
	unix.IP_RECVTOS: want("IP_RECVTOS", func(w *wanted) *bool { return &w.tos }, stack.ReceiveTOS),
	unix.IP_RECVERR: receiveErrors("IP_RECVERR", stack.RecvErr4),

	unix.IP_MULTICAST_TTL:          atLeast(1, only(notOnStreams(unix.EINVAL), option{name: "IP_MULTICAST_TTL", setInt: setMulticastTTL, getInt: recall("IP_MULTICAST_TTL", 1), partial: "on IPv6 sockets only told back"})),
	unix.IP_MULTICAST_LOOP:         atLeast(1, option{name: "IP_MULTICAST_LOOP", setInt: setMulticastLoop, getInt: recall("IP_MULTICAST_LOOP", 1), partial: "on IPv6 sockets only told back"}),
	unix.IP_MULTICAST_IF:           only(notOnStreams(unix.EINVAL), option{name: "IP_MULTICAST_IF", set: setMulticastInterface, get: getMulticastInterface, size: abi.SizeofIPMreqn, partial: "on IPv6 sockets only told back"}),
	unix.IP_MULTICAST_ALL:          atLeast(1, zeroOrOne(flag("IP_MULTICAST_ALL", stack.MulticastAll4))),
	unix.IP_ADD_MEMBERSHIP:         only(notOnStreams(unix.EPROTO), membership("IP_ADD_MEMBERSHIP", abi.SizeofIPMreq, abi.ParseIPMreq, join)),
	unix.IP_DROP_MEMBERSHIP:        only(notOnStreams(unix.EPROTO), membership("IP_DROP_MEMBERSHIP", abi.SizeofIPMreq, abi.ParseIPMreq, leave4)),
	unix.IP_ADD_SOURCE_MEMBERSHIP:  membership("IP_ADD_SOURCE_MEMBERSHIP", abi.SizeofIPMreqSource, abi.ParseIPMreqSource, joinSource),
	unix.IP_DROP_SOURCE_MEMBERSHIP: membership("IP_DROP_SOURCE_MEMBERSHIP", abi.SizeofIPMreqSource, abi.ParseIPMreqSource, changeSource(stack.FilterInclude, false)),
	unix.IP_BLOCK_SOURCE:           membership("IP_BLOCK_SOURCE", abi.SizeofIPMreqSource, abi.ParseIPMreqSource, changeSource(stack.FilterExclude, true)),
	unix.IP_UNBLOCK_SOURCE:         membership("IP_UNBLOCK_SOURCE", abi.SizeofIPMreqSource, abi.ParseIPMreqSource, changeSource(stack.FilterExclude, false)),
	unix.IP_MSFILTER:               {name: "IP_MSFILTER", huge: true, least: abi.SizeofIPMsfilter, set: setFilter(stack.MaxSources4, abi.ParseIPMsfilter), partial: "cannot be read"},

	unix.IP_OPTIONS:              {name: "IP_OPTIONS", set: setIPOptions, get: getIPOptions, size: maxIPOptions + 1, partial: "only padding can be set"},
	unix.IP_PKTOPTIONS:           {name: "IP_PKTOPTIONS", get: getPacketOptions, partial: "none are kept"},
	unix.IP_RECVOPTS:             rememberedFlag("IP_RECVOPTS", "IP options are not passed on", 0),
	unix.IP_RETOPTS:              rememberedFlag("IP_RETOPTS", "IP options are not passed on", 0),
	unix.IP_FREEBIND:             atLeast(1, rememberedFlag("IP_FREEBIND", "only local addresses can be bound", 0)),
	unix.IP_BIND_ADDRESS_NO_PORT: rememberedFlag("IP_BIND_ADDRESS_NO_PORT", "a port is taken at bind(2)", 0),
	unix.IP_LOCAL_PORT_RANGE:     {name: portRange, least: abi.SizeofInt, most: abi.SizeofInt, setInt: setPortRange, getInt: recall(portRange, 0)},
	unix.IP_UNICAST_IF:           {name: "IP_UNICAST_IF", least: abi.SizeofInt, most: abi.SizeofInt, setInt: setUnicastInterface("IP_UNICAST_IF"), getInt: recall("IP_UNICAST_IF", 0), partial: "the route says where packets leave"},
	unix.IP_TRANSPARENT:          off("IP_TRANSPARENT", "refused, root too, as without CAP_NET_ADMIN", unix.EPERM),
	// A floor under the time to live keeps strangers out: it must not be taken
	// for kept. As from a kernel before 2.6.34.
	unix.IP_MINTTL: off("IP_MINTTL", "cannot be switched on", unix.ENOPROTOOPT),
})

const portRange = "IP_LOCAL_PORT_RANGE"

// setPortRange is IP_LOCAL_PORT_RANGE: the first port in the lower half, the last
// in the upper one.
func setPortRange(s socket, v int32) unix.Errno {
	first, last := uint16(v), uint16(uint32(v)>>16)
	if first != 0 && last != 0 && first > last {
		return unix.EINVAL
	}
	if ep := s.endpoint(); ep != nil {
		ep.SetPortRange(first, last)
	}
	s.memo().put(portRange, int64(v))
	return 0
}

// protocolNumber is IP_PROTOCOL: a raw socket's protocol. Linux tells other
// sockets their port, which it keeps in the same place.
func protocolNumber(s socket) int {
	if s.id().typ == unix.SOCK_RAW {
		return s.id().protocol
	}
	a, errno := s.name()
	if errno != 0 {
		return 0
	}
	return int(a.Addr.Port())
}

// ecnMask is INET_ECN_MASK: bits of the type of service that TCP sets itself.
const ecnMask = 3

// setTOS is IP_TOS: any int, cut to a byte (__ip_sock_set_tos).
func setTOS(s socket, v int32) unix.Errno {
	if s.id().typ == unix.SOCK_STREAM {
		v &^= ecnMask
	}
	return setNumber(s, stack.TOS, v&math.MaxUint8)
}

// setDiscover4 is IP_MTU_DISCOVER. Netstack has one value for both families,
// which is IPv6's on an IPv6 socket.
func setDiscover4(s socket, v int32) unix.Errno {
	if v < unix.IP_PMTUDISC_DONT || v > unix.IP_PMTUDISC_OMIT {
		return unix.EINVAL
	}
	s.memo().put("IP_MTU_DISCOVER", int64(v))
	if isIPv6(s.id()) {
		return 0
	}
	return setNumber(s, stack.MTUDiscover, v)
}

// getHeaderIncluded is 0 on sockets that are not raw.
func getHeaderIncluded(s socket) (int32, unix.Errno) {
	if onRaw(s) != 0 {
		return 0, 0
	}
	return flag("", stack.HeaderIncluded).getInt(s)
}

// receiveErrors is IP_RECVERR and IPV6_RECVERR.
func receiveErrors(name string, o stack.BoolOption) option {
	return option{
		name: name,
		setInt: func(s socket, v int32) unix.Errno {
			s.memo().put(name, int64(oneIf(v != 0)))
			return flag(name, o).setInt(s, v)
		},
		getInt: recall(name, 0),
	}
}

// getMTU is IP_MTU and IPV6_MTU, for connected sockets: of the path, as far as a
// datagram's errors have told of it.
func getMTU(s socket) (int32, unix.Errno) {
	ep := s.endpoint()
	if ep == nil {
		return 0, unix.ENOTCONN
	}
	peer, errno := ep.Remote() // also one at port 0
	if errno != 0 {
		return 0, unix.ENOTCONN
	}
	if s.id().typ != unix.SOCK_STREAM {
		if mtu := s.stack().PathMTU(peer.Addr()); mtu != 0 {
			return int32(mtu), 0
		}
	}
	if mtu := s.stack().MTUTowards(peer.Addr()); mtu != 0 {
		return int32(mtu), 0
	}
	return 0, unix.ENOTCONN
}

// setUnicastInterface is IP_UNICAST_IF and IPV6_UNICAST_IF: an interface index
// in network byte order, 0 for none.
func setUnicastInterface(name string) func(socket, int32) unix.Errno {
	return func(s socket, v int32) unix.Errno {
		index := int32(binary.BigEndian.Uint32(abi.IntBytes(v)))
		if index != 0 && !hasInterface(s, index) {
			return unix.EADDRNOTAVAIL
		}
		s.memo().put(name, int64(v))
		return 0
	}
}

// getPacketOptions is IP_PKTOPTIONS, which streams have.
func getPacketOptions(s socket, _ int) ([]byte, unix.Errno) {
	if s.id().typ != unix.SOCK_STREAM {
		return nil, unix.ENOPROTOOPT
	}
	return nil, 0
}
