package netemu

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// ipv6Options are the rows of level SOL_IPV6, see ipv6(7).
var ipv6Options = map[int32]option{
	unix.IPV6_V6ONLY:           flag("IPV6_V6ONLY", stack.V6Only),
	unix.IPV6_UNICAST_HOPS:     ttl("IPV6_UNICAST_HOPS", stack.HopLimit, defaultTTL),
	unix.IPV6_MULTICAST_HOPS:   ttl("IPV6_MULTICAST_HOPS", stack.MulticastTTL, 1),
	unix.IPV6_MULTICAST_LOOP:   flag("IPV6_MULTICAST_LOOP", stack.MulticastLoop),
	unix.IPV6_MULTICAST_IF:     {name: "IPV6_MULTICAST_IF", set: setMulticastInterface6},
	unix.IPV6_ADD_MEMBERSHIP:   membership("IPV6_ADD_MEMBERSHIP", abi.ParseIPv6Mreq, join),
	unix.IPV6_DROP_MEMBERSHIP:  membership("IPV6_DROP_MEMBERSHIP", abi.ParseIPv6Mreq, leave),
	unix.MCAST_JOIN_GROUP:      membership("MCAST_JOIN_GROUP", abi.ParseGroupReq, join),
	unix.MCAST_LEAVE_GROUP:     membership("MCAST_LEAVE_GROUP", abi.ParseGroupReq, leave),
	unix.IPV6_MULTICAST_ALL:    rememberedFlag("IPV6_MULTICAST_ALL", "groups are told apart by membership", 1),
	unix.IPV6_TCLASS:           number("IPV6_TCLASS", stack.TClass, -1, 255),
	unix.IPV6_RECVPKTINFO:      want("IPV6_RECVPKTINFO", func(w *wanted) *bool { return &w.pktInfo6 }, stack.ReceivePktInfo6),
	unix.IPV6_RECVHOPLIMIT:     want("IPV6_RECVHOPLIMIT", func(w *wanted) *bool { return &w.hopLimit }, stack.ReceiveHopLimit),
	unix.IPV6_RECVTCLASS:       want("IPV6_RECVTCLASS", func(w *wanted) *bool { return &w.trafficClass }, stack.ReceiveTClass),
	unix.IPV6_RECVERR:          receiveErrors("IPV6_RECVERR", stack.RecvErr6),
	unix.IPV6_MTU_DISCOVER:     remembered("IPV6_MTU_DISCOVER", "the path's MTU is the link's", unix.IPV6_PMTUDISC_WANT),
	unix.IPV6_MTU:              {name: "IPV6_MTU", set: setMTU6, get: getMTU, partial: "setting it changes nothing"},
	unix.IPV6_CHECKSUM:         number("IPV6_CHECKSUM", stack.IPv6Checksum, -1, 65535),
	unix.IPV6_FREEBIND:         rememberedFlag("IPV6_FREEBIND", "only local addresses can be bound", 0),
	unix.IPV6_AUTOFLOWLABEL:    rememberedFlag("IPV6_AUTOFLOWLABEL", "flow labels are netstack's", 1),
	unix.IPV6_ADDR_PREFERENCES: remembered("IPV6_ADDR_PREFERENCES", "there is one address", 0),
}

// icmpv6Options are the rows of level SOL_ICMPV6.
var icmpv6Options = map[int32]option{
	unix.ICMPV6_FILTER: {name: "ICMPV6_FILTER", set: setICMP6Filter, get: getICMP6Filter},
}

// setMulticastInterface6 is IPV6_MULTICAST_IF: an interface index.
func setMulticastInterface6(s socket, value []byte) unix.Errno {
	v, errno := abi.ParseInt(value)
	if errno != 0 {
		return errno
	}
	return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno {
		return ep.SetMulticastInterface(v, netip.Addr{})
	})
}

// leastMTU6 is IPv6's least MTU (RFC 8200 section 5).
const leastMTU6 = 1280

func setMTU6(_ socket, value []byte) unix.Errno {
	v, errno := abi.ParseInt(value)
	if errno == 0 && v != 0 && v < leastMTU6 {
		errno = unix.EINVAL
	}
	return errno
}

func setICMP6Filter(s socket, value []byte) unix.Errno {
	r, ok := rawOf(s, unix.IPPROTO_ICMPV6)
	if !ok {
		return unix.EOPNOTSUPP
	}
	var b [32]byte
	copy(b[:], value)
	var f [8]uint32
	for i := range f {
		f[i] = binary.NativeEndian.Uint32(b[i*4:])
	}
	r.filter6.Store(&f)
	return 0
}

func getICMP6Filter(s socket, _ int) ([]byte, unix.Errno) {
	r, ok := rawOf(s, unix.IPPROTO_ICMPV6)
	if !ok {
		return nil, unix.EOPNOTSUPP
	}
	var out []byte
	for _, w := range r.filter6.Load() {
		out = binary.NativeEndian.AppendUint32(out, w)
	}
	return out, 0
}
