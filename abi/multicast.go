package abi

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sizes of the arguments of the multicast options, in bytes: struct in_addr,
// ip_mreq, ip_mreqn, ip_mreq_source (<linux/in.h>), ipv6_mreq
// (<linux/in6.h>), group_req and group_source_req (<linux/in.h>).
const (
	SizeofInAddr         = 4
	SizeofIPMreq         = 8
	SizeofIPMreqn        = 12
	SizeofIPMreqSource   = 12
	SizeofIPv6Mreq       = 20
	SizeofGroupReq       = 136
	SizeofGroupSourceReq = 264
)

// Offsets in struct group_req, group_source_req and group_filter.
const (
	offsetGroupReqGroup  = 8
	offsetGroupReqSource = 136
	offsetFilterMode     = 136
	offsetFilterCount    = 140
)

// Membership says which group to join or leave (or which source to block) and
// where: by interface index, or for IPv4 by a local address of the interface.
// What an option does not tell is 0 or invalid.
type Membership struct {
	Group  netip.Addr
	Source netip.Addr
	Local  netip.Addr
	NIC    int32
}

// ParseInAddr decodes a struct in_addr. EINVAL: b is shorter.
func ParseInAddr(b []byte) (netip.Addr, unix.Errno) {
	if len(b) < SizeofInAddr {
		return netip.Addr{}, unix.EINVAL
	}
	return netip.AddrFrom4([4]byte(b)), 0
}

// ParseIPMreq decodes the argument of IP_ADD_MEMBERSHIP and
// IP_DROP_MEMBERSHIP: a struct ip_mreqn if b is long enough for one, else a
// struct ip_mreq (net/ipv4/ip_sockglue.c). EINVAL: shorter than both.
func ParseIPMreq(b []byte) (Membership, unix.Errno) {
	if len(b) < SizeofIPMreq {
		return Membership{}, unix.EINVAL
	}
	m := Membership{Group: netip.AddrFrom4([4]byte(b)), Local: netip.AddrFrom4([4]byte(b[4:]))}
	if len(b) >= SizeofIPMreqn {
		m.NIC = int32(binary.NativeEndian.Uint32(b[8:]))
	}
	return m, 0
}

// ParseMulticastInterface decodes the argument of IP_MULTICAST_IF, of which
// only Local and NIC count: struct ip_mreqn, ip_mreq or in_addr, by the length
// of b (net/ipv4/ip_sockglue.c). EINVAL: shorter than all.
func ParseMulticastInterface(b []byte) (Membership, unix.Errno) {
	if len(b) >= SizeofIPMreq {
		return ParseIPMreq(b)
	}
	local, errno := ParseInAddr(b)
	return Membership{Local: local}, errno
}

// ParseIPMreqSource decodes a struct ip_mreq_source. EINVAL: b has another
// length (net/ipv4/ip_sockglue.c).
func ParseIPMreqSource(b []byte) (Membership, unix.Errno) {
	if len(b) != SizeofIPMreqSource {
		return Membership{}, unix.EINVAL
	}
	return Membership{
		Group:  netip.AddrFrom4([4]byte(b)),
		Local:  netip.AddrFrom4([4]byte(b[4:])),
		Source: netip.AddrFrom4([4]byte(b[8:])),
	}, 0
}

// ParseIPv6Mreq decodes a struct ipv6_mreq. EINVAL: b is shorter.
func ParseIPv6Mreq(b []byte) (Membership, unix.Errno) {
	if len(b) < SizeofIPv6Mreq {
		return Membership{}, unix.EINVAL
	}
	return Membership{
		Group: netip.AddrFrom16([16]byte(b)),
		NIC:   int32(binary.NativeEndian.Uint32(b[16:])),
	}, 0
}

// ParseGroupReq decodes a struct group_req (MCAST_JOIN_GROUP,
// MCAST_LEAVE_GROUP). EINVAL: b is shorter. EADDRNOTAVAIL: the group is
// neither an AF_INET nor an AF_INET6 address.
func ParseGroupReq(b []byte) (Membership, unix.Errno) {
	if len(b) < SizeofGroupReq {
		return Membership{}, unix.EINVAL
	}
	m := Membership{NIC: int32(binary.NativeEndian.Uint32(b))}
	var errno unix.Errno
	m.Group, errno = parseGroupAddress(b[offsetGroupReqGroup:])
	return m, errno
}

// ParseGroupSourceReq decodes a struct group_source_req
// (MCAST_JOIN_SOURCE_GROUP and its kin); errors as [ParseGroupReq].
func ParseGroupSourceReq(b []byte) (Membership, unix.Errno) {
	if len(b) < SizeofGroupSourceReq {
		return Membership{}, unix.EINVAL
	}
	m, errno := ParseGroupReq(b)
	if errno != 0 {
		return m, errno
	}
	m.Source, errno = parseGroupAddress(b[offsetGroupReqSource:])
	return m, errno
}

func parseGroupAddress(b []byte) (netip.Addr, unix.Errno) {
	sa, errno := ParseSockaddr(b)
	if errno != 0 || !sa.Addr.IsValid() {
		return netip.Addr{}, unix.EADDRNOTAVAIL
	}
	return sa.Addr.Addr(), 0
}

// Sizes of struct ip_msfilter and struct group_filter (<linux/in.h>) without
// their sources, and of one source of each, in bytes.
const (
	SizeofIPMsfilter  = 16
	SizeofGroupFilter = 144
)

// Filter is the whole list of a group's sources: Mode is MCAST_INCLUDE (1) or
// MCAST_EXCLUDE (0).
type Filter struct {
	Membership
	Mode    uint32
	Sources []netip.Addr
}

// ParseIPMsfilter decodes a struct ip_msfilter of most sources at most. EINVAL: b
// is shorter than it says. ENOBUFS: it has more.
func ParseIPMsfilter(b []byte, most int) (Filter, unix.Errno) {
	if len(b) < SizeofIPMsfilter {
		return Filter{}, unix.EINVAL
	}
	ne := binary.NativeEndian
	f := Filter{Mode: ne.Uint32(b[8:])}
	f.Group, f.Local = netip.AddrFrom4([4]byte(b)), netip.AddrFrom4([4]byte(b[4:]))
	sources, n := b[SizeofIPMsfilter:], uint64(ne.Uint32(b[12:]))
	switch {
	case n > uint64(most):
		return Filter{}, unix.ENOBUFS
	case n*SizeofInAddr > uint64(len(sources)):
		return Filter{}, unix.EINVAL
	}
	for i := range int(n) {
		f.Sources = append(f.Sources, netip.AddrFrom4([4]byte(sources[SizeofInAddr*i:])))
	}
	return f, 0
}

// ParseGroupFilter decodes a struct group_filter of most sources at most. EINVAL:
// b is shorter than it says. ENOBUFS: it has more. EADDRNOTAVAIL: an address is
// of no internet family.
func ParseGroupFilter(b []byte, most int) (Filter, unix.Errno) {
	if len(b) < SizeofGroupFilter {
		return Filter{}, unix.EINVAL
	}
	m, errno := ParseGroupReq(b)
	ne := binary.NativeEndian
	f := Filter{Membership: m, Mode: ne.Uint32(b[offsetFilterMode:])}
	sources, n := b[SizeofGroupFilter:], uint64(ne.Uint32(b[offsetFilterCount:]))
	switch {
	case n > uint64(most):
		return Filter{}, unix.ENOBUFS
	case n*SizeofSockaddrStorage > uint64(len(sources)):
		return Filter{}, unix.EINVAL
	}
	for i := 0; i < int(n) && errno == 0; i++ {
		var source netip.Addr
		source, errno = parseGroupAddress(sources[i*SizeofSockaddrStorage:][:SizeofSockaddrStorage])
		f.Sources = append(f.Sources, source)
	}
	return f, errno
}
