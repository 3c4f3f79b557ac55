package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// ipv6Options are the rows of level SOL_IPV6, see ipv6(7).
var ipv6Options = sourceRows(stack.MaxSources6, map[int32]option{
	unix.IPV6_V6ONLY:       only(notOnRaw, flag("IPV6_V6ONLY", stack.V6Only)),
	unix.IPV6_UNICAST_HOPS: number("IPV6_UNICAST_HOPS", stack.HopLimit, -1, 255),
	unix.IPV6_TCLASS:       {name: "IPV6_TCLASS", setInt: setTrafficClass, getInt: func(s socket) (int32, unix.Errno) { return getNumber(s, stack.TClass) }},
	unix.IPV6_MTU:          {name: "IPV6_MTU", setInt: setMTU6, getInt: getMTU, partial: "setting it changes nothing"},
	unix.IPV6_MTU_DISCOVER: {name: "IPV6_MTU_DISCOVER", setInt: setDiscover6, getInt: recall("IPV6_MTU_DISCOVER", unix.IPV6_PMTUDISC_WANT)},
	unix.IPV6_DONTFRAG:     {name: "IPV6_DONTFRAG", short: true, setInt: setDontFragment, getInt: recall("IPV6_DONTFRAG", 0)},
	unix.IPV6_CHECKSUM:     only(checksumAllowed, checksumOffset),
	unix.IPV6_HDRINCL:      onlyEver(onRaw, flag("IPV6_HDRINCL", stack.HeaderIncluded)),

	unix.IPV6_RECVPKTINFO:  want("IPV6_RECVPKTINFO", func(w *wanted) *bool { return &w.pktInfo6 }, stack.ReceivePktInfo6),
	unix.IPV6_RECVHOPLIMIT: want("IPV6_RECVHOPLIMIT", func(w *wanted) *bool { return &w.hopLimit }, stack.ReceiveHopLimit),
	unix.IPV6_RECVTCLASS:   want("IPV6_RECVTCLASS", func(w *wanted) *bool { return &w.trafficClass }, stack.ReceiveTClass),
	unix.IPV6_2292PKTINFO:  want("IPV6_2292PKTINFO", func(w *wanted) *bool { return &w.pktInfo2292 }),
	unix.IPV6_2292HOPLIMIT: want("IPV6_2292HOPLIMIT", func(w *wanted) *bool { return &w.hopLimit2292 }),
	unix.IPV6_RECVERR:      receiveErrors("IPV6_RECVERR", stack.RecvErr6),

	unix.IPV6_MULTICAST_HOPS:  only(notOnStreams(unix.ENOPROTOOPT), number("IPV6_MULTICAST_HOPS", stack.MulticastTTL, -1, 255)),
	unix.IPV6_MULTICAST_LOOP:  {name: "IPV6_MULTICAST_LOOP", setInt: setMulticastLoop6, getInt: flag("", stack.MulticastLoop).getInt},
	unix.IPV6_MULTICAST_IF:    {name: "IPV6_MULTICAST_IF", deny: notOnStreams(unix.ENOPROTOOPT), setInt: setMulticastInterface6, getInt: recall("IPV6_MULTICAST_IF", 0)},
	unix.IPV6_MULTICAST_ALL:   flag("IPV6_MULTICAST_ALL", stack.MulticastAll6),
	unix.IPV6_ADD_MEMBERSHIP:  late(notOnStreams(unix.EPROTO), membership("IPV6_ADD_MEMBERSHIP", abi.SizeofIPv6Mreq, abi.ParseIPv6Mreq, join)),
	unix.IPV6_DROP_MEMBERSHIP: late(notOnStreams(unix.EPROTO), membership("IPV6_DROP_MEMBERSHIP", abi.SizeofIPv6Mreq, abi.ParseIPv6Mreq, leave)),

	unix.IPV6_PKTINFO:          {name: "IPV6_PKTINFO", least: abi.SizeofIn6Pktinfo, size: abi.SizeofIn6Pktinfo, set: setStickyInfo, partial: "the interface only, for what is received too"},
	unix.IPV6_RECVPATHMTU:      rememberedFlag("IPV6_RECVPATHMTU", "the path's MTU is the link's", 0),
	unix.IPV6_RECVHOPOPTS:      rememberedFlag("IPV6_RECVHOPOPTS", "extension headers are not passed on", 0),
	unix.IPV6_RECVRTHDR:        rememberedFlag("IPV6_RECVRTHDR", "extension headers are not passed on", 0),
	unix.IPV6_RECVDSTOPTS:      rememberedFlag("IPV6_RECVDSTOPTS", "extension headers are not passed on", 0),
	unix.IPV6_HOPOPTS:          {name: "IPV6_HOPOPTS", set: setExtension, get: empty, partial: "only none can be set"},
	unix.IPV6_RTHDR:            {name: "IPV6_RTHDR", set: setExtension, get: empty, partial: "only none can be set"},
	unix.IPV6_DSTOPTS:          {name: "IPV6_DSTOPTS", set: setExtension, get: empty, partial: "only none can be set"},
	unix.IPV6_FREEBIND:         rememberedFlag("IPV6_FREEBIND", "only local addresses can be bound", 0),
	unix.IPV6_AUTOFLOWLABEL:    {name: "IPV6_AUTOFLOWLABEL", short: true, setInt: rememberedFlag("IPV6_AUTOFLOWLABEL", "", 1).setInt, getInt: recall("IPV6_AUTOFLOWLABEL", 1), partial: "flow labels are netstack's"},
	ipv6FlowInfoSend:           rememberedFlag("IPV6_FLOWINFO_SEND", "flow labels are netstack's", 0),
	unix.IPV6_ADDR_PREFERENCES: {name: "IPV6_ADDR_PREFERENCES", setInt: setPreferences, getInt: recall("IPV6_ADDR_PREFERENCES", preferDefault), partial: "there is one address"},
	unix.IPV6_UNICAST_IF:       {name: "IPV6_UNICAST_IF", least: abi.SizeofInt, most: abi.SizeofInt, setInt: setUnicastInterface("IPV6_UNICAST_IF"), getInt: recall("IPV6_UNICAST_IF", 0), partial: "the route says where packets leave"},
	unix.IPV6_TRANSPARENT:      off("IPV6_TRANSPARENT", "refused, root too, as without CAP_NET_ADMIN", unix.EPERM),
	// As IP_MINTTL.
	unix.IPV6_MINHOPCOUNT: off("IPV6_MINHOPCOUNT", "cannot be switched on", unix.ENOPROTOOPT),
})

// notOnRaw denies an option to raw sockets, whose protocol number stands where
// others have the port: they are bound from the start.
func notOnRaw(s socket) unix.Errno {
	if s.id().typ == unix.SOCK_RAW {
		return unix.EINVAL
	}
	return 0
}

// setTrafficClass is IPV6_TCLASS: -1 is the default, 0.
func setTrafficClass(s socket, v int32) unix.Errno {
	if v < -1 || v > 255 {
		return unix.EINVAL
	}
	v = max(v, 0)
	if s.id().typ == unix.SOCK_STREAM {
		v &^= ecnMask
	}
	return setNumber(s, stack.TClass, v)
}

// ipv6FlowInfoSend is IPV6_FLOWINFO_SEND (<linux/in6.h>).
const ipv6FlowInfoSend = 33

// leastMTU6 is IPv6's least MTU (RFC 8200 section 5).
const leastMTU6 = 1280

func setMTU6(_ socket, v int32) unix.Errno {
	if v != 0 && v < leastMTU6 {
		return unix.EINVAL
	}
	return 0
}

func setDiscover6(s socket, v int32) unix.Errno {
	if v < unix.IPV6_PMTUDISC_DONT || v > unix.IPV6_PMTUDISC_OMIT {
		return unix.EINVAL
	}
	s.memo().put("IPV6_MTU_DISCOVER", int64(v))
	return discover6(s)
}

func setDontFragment(s socket, v int32) unix.Errno {
	s.memo().put("IPV6_DONTFRAG", int64(oneIf(v != 0)))
	return discover6(s)
}

// discover6 tells netstack of IPV6_MTU_DISCOVER and IPV6_DONTFRAG: with the
// latter what is longer than the path's MTU is EMSGSIZE.
func discover6(s socket) unix.Errno {
	v := s.memo().get("IPV6_MTU_DISCOVER", unix.IPV6_PMTUDISC_WANT)
	if s.memo().get("IPV6_DONTFRAG", 0) != 0 {
		v = unix.IPV6_PMTUDISC_DO
	}
	return setNumber(s, stack.MTUDiscover, int32(v))
}

// checksumAllowed denies IPV6_CHECKSUM to sockets that are not raw, and on this
// level to ICMPv6 ones, whose checksum is not theirs to move (RFC 3542 section
// 3.1).
func checksumAllowed(s socket) unix.Errno {
	if s.id().protocol == unix.IPPROTO_ICMPV6 && s.id().typ == unix.SOCK_RAW {
		return unix.EINVAL
	}
	return onRaw6(s)
}

// setStickyInfo is IPV6_PKTINFO for every datagram that is sent (RFC 3542
// section 6): its interface is the one that the socket is bound to; a source
// address is the business of bind(2), and EADDRNOTAVAIL.
func setStickyInfo(s socket, value []byte) unix.Errno {
	info, errno := abi.ParseIn6Pktinfo(value)
	switch {
	case errno != 0:
		return errno
	case info.NIC != 0 && !hasInterface(s, info.NIC):
		return unix.EINVAL
	case !info.Addr.IsUnspecified():
		return unix.EADDRNOTAVAIL
	}
	if s.memo().get("IPV6_PKTINFO", 0) == int64(info.NIC) {
		return 0
	}
	errno = setNumber(s, stack.BindToDevice, info.NIC)
	if errno == 0 {
		s.memo().put("IPV6_PKTINFO", int64(info.NIC))
	}
	return errno
}

// setExtension is an extension header to send with every packet: none, or
// EPERM as to a program without CAP_NET_RAW.
func setExtension(_ socket, value []byte) unix.Errno {
	if len(value) > 0 {
		return unix.EPERM
	}
	return 0
}

// The flags of IPV6_ADDR_PREFERENCES (<linux/in6.h>, RFC 5014).
const (
	preferTemporary   = 0x1
	preferPublic      = 0x2
	preferCareOf      = 0x4
	preferGenerated   = 0x8
	preferNoChoice    = 0x100 // IPV6_PREFER_SRC_PUBTMP_DEFAULT
	preferHome        = 0x400
	preferUngenerated = 0x800

	preferDefault = preferNoChoice | preferHome
)

// setPreferences is IPV6_ADDR_PREFERENCES: EINVAL for two of a kind. Told back
// is one of the first three and one of home and care-of.
func setPreferences(s socket, v int32) unix.Errno {
	told := int32(preferNoChoice)
	switch p := v & (preferTemporary | preferPublic | preferNoChoice); p {
	case 0:
	case preferTemporary, preferPublic, preferNoChoice:
		told = p
	default:
		return unix.EINVAL
	}
	switch p := v & (preferHome | preferCareOf); p {
	case 0:
		told |= preferHome
	case preferHome, preferCareOf:
		told |= p
	default:
		return unix.EINVAL
	}
	if both := int32(preferGenerated | preferUngenerated); v&both == both {
		return unix.EINVAL
	}
	s.memo().put("IPV6_ADDR_PREFERENCES", int64(told))
	return 0
}
