package netlink

import (
	"encoding/binary"
	"net/netip"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// Flags of a looked-up IPv4 route (<linux/in_route.h>).
const (
	rtcfBroadcast = 0x10000000
	rtcfMulticast = 0x20000000
	rtcfLocal     = 0x80000000
)

// query is a RTM_GETROUTE without NLM_F_DUMP: which way would a packet take?
type query struct {
	src, dst netip.Addr // unspecified: not told
	nic      int32
	flags    uint32 // RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH
	mark     uint32
	uid      []byte // RTA_UID, or nil
}

// getRoute4 answers for IPv4, as inet_rtm_getroute (net/ipv4/route.c) does.
func getRoute4(r *request) (row, *refusal) {
	q, failure := parseQuery(r, netip.IPv4Unspecified(), queryWords4)
	if failure != nil {
		return row{}, failure
	}
	table := rtnl.Dump(r.routes, true)
	if !q.src.IsUnspecified() && !r.owns(q.src) {
		return row{}, refuse(unix.ENETUNREACH, "") // EINVAL before Linux 6.15
	}
	e, ok := match(table, looked(q), q.nic)
	if !ok {
		if q.nic == 0 {
			return row{}, refuse(unix.ENETUNREACH, "")
		}
		e = stack.Route{Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, NIC: q.nic, Dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	}
	if errno := e.Refuses(); errno != 0 {
		return row{}, refuse(errno, "")
	}
	if q.flags&unix.RTM_F_FIB_MATCH != 0 {
		return routeRow(e), nil
	}
	return pathRow4(r, q, e), nil
}

// looked is the IPv4 address that is looked up: where no destination is told
// it is the source or 127.0.0.1 (ip_route_output_key_hash_rcu).
func looked(q query) netip.Addr {
	switch {
	case !q.dst.IsUnspecified():
		return q.dst
	case !q.src.IsUnspecified():
		return q.src
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// pathRow4 tells the path of an IPv4 packet, as rt_fill_info does. Its table is
// always the main one: without rules of one's own Linux keeps the local rows
// in the same trie.
func pathRow4(r *request, q query, e stack.Route) row {
	const id = unix.RT_TABLE_MAIN
	dst, flags := q.dst, uint32(unix.RTM_F_CLONED)
	switch {
	case e.Type == unix.RTN_LOCAL:
		e.NIC, flags = r.loopback(), flags|rtcfLocal
	case dst.IsMulticast():
		e.Type, e.Gateway, flags = unix.RTN_MULTICAST, netip.Addr{}, flags|rtcfMulticast|rtcfLocal
	case e.Type == unix.RTN_BROADCAST, dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		e.Type, e.Gateway, flags = unix.RTN_BROADCAST, netip.Addr{}, flags|rtcfBroadcast|rtcfLocal
	}
	srcLen := 0
	attrs := encode(func(ae *nl.AttributeEncoder) {
		ae.Uint32(unix.RTA_TABLE, id)
		ae.Bytes(unix.RTA_DST, dst.AsSlice())
		if !q.src.IsUnspecified() {
			srcLen = q.src.BitLen()
			ae.Bytes(unix.RTA_SRC, q.src.AsSlice())
		}
		ae.Uint32(unix.RTA_OIF, uint32(e.NIC))
		if q.src.IsUnspecified() {
			if src := r.source(e, looked(q)); src.IsValid() {
				ae.Bytes(unix.RTA_PREFSRC, src.AsSlice())
			}
		}
		if e.Gateway.IsValid() {
			ae.Bytes(unix.RTA_GATEWAY, e.Gateway.AsSlice())
		}
		putMetrics(ae, e)
		if q.mark != 0 {
			ae.Uint32(unix.RTA_MARK, q.mark)
		}
		if q.uid != nil {
			ae.Bytes(unix.RTA_UID, q.uid)
		}
		ae.Bytes(unix.RTA_CACHEINFO, routeCacheinfo(1))
	})
	path := stack.Route{Table: id, Dst: netip.PrefixFrom(dst, dst.BitLen()), Type: e.Type}
	return row{unix.RTM_NEWROUTE, append(rtmsg(path, srcLen, flags), attrs...)}
}

// getRoute6 answers for IPv6, as inet6_rtm_getroute (net/ipv6/route.c) does.
func getRoute6(r *request) (row, *refusal) {
	q, failure := parseQuery(r, netip.IPv6Unspecified(), queryWords6)
	if failure != nil {
		return row{}, failure
	}
	e, ok := match(rtnl.Dump(r.routes, false), q.dst, q.nic)
	if !ok {
		return row{}, refuse(unix.ENETUNREACH, "")
	}
	if errno := e.Refuses(); errno != 0 {
		return row{}, refuse(errno, "")
	}
	if q.flags&unix.RTM_F_FIB_MATCH != 0 {
		return routeRow(e), nil
	}
	src := r.source(e, q.dst)
	if e.Type == unix.RTN_LOCAL {
		e.NIC = r.loopback()
	}
	attrs := encode(func(ae *nl.AttributeEncoder) {
		ae.Uint32(unix.RTA_TABLE, e.Table)
		ae.Bytes(unix.RTA_DST, q.dst.AsSlice())
		ae.Bytes(unix.RTA_SRC, q.src.AsSlice())
		if src.IsValid() {
			ae.Bytes(unix.RTA_PREFSRC, src.AsSlice())
		}
		putMetrics(ae, e)
		ae.Uint32(unix.RTA_PRIORITY, e.Metric)
		if e.Gateway.IsValid() {
			ae.Bytes(unix.RTA_GATEWAY, e.Gateway.AsSlice())
		}
		ae.Uint32(unix.RTA_OIF, uint32(e.NIC))
		ae.Bytes(unix.RTA_CACHEINFO, routeCacheinfo(1))
		ae.Uint8(unix.RTA_PREF, prefMedium)
	})
	e.Dst = netip.PrefixFrom(q.dst, q.dst.BitLen())
	return row{unix.RTM_NEWROUTE, append(rtmsg(e, q.src.BitLen(), 0), attrs...)}, nil
}

// parseQuery reads a lookup as inet_rtm_valid_getroute_req does; unset is the
// family's unspecified address.
func parseQuery(r *request, unset netip.Addr, words queryWords) (query, *refusal) {
	if len(r.body) < unix.SizeofRtMsg {
		return query{}, refuse(unix.EINVAL, words.header)
	}
	q := query{src: unset, dst: unset, flags: binary.NativeEndian.Uint32(r.body[rtmFlags:])}
	if failure := q.strictHeader(r, unset, words); r.strict && failure != nil {
		return query{}, failure
	}
	attrs, failure := parse(r.body[unix.SizeofRtMsg:], unix.RTA_MAX, r.strict)
	if failure != nil {
		return query{}, failure
	}
	failure = attrs.only(words.attribute, unix.RTA_IIF, unix.RTA_OIF, unix.RTA_SRC,
		unix.RTA_DST, unix.RTA_IP_PROTO, unix.RTA_SPORT, unix.RTA_DPORT, unix.RTA_MARK, unix.RTA_UID)
	if r.strict && failure != nil {
		return query{}, failure
	}
	if _, ok := attrs[unix.RTA_IIF]; ok {
		return query{}, refuse(unix.EOPNOTSUPP, "netbox: routes of incoming packets are not looked up")
	}
	return q, q.fill(r, attrs)
}

// queryWords are Linux's reasons for refusing a lookup.
type queryWords struct{ header, values, flags, attribute string }

var queryWords4 = queryWords{
	"ipv4: Invalid header for route get request", "ipv4: Invalid values in header for route get request",
	"ipv4: Unsupported rtm_flags for route get request", "ipv4: Unsupported attribute in route get request",
}

var queryWords6 = queryWords{
	"ipv6: Invalid header for get route request", "ipv6: Invalid values in header for get route request",
	"ipv6: Invalid flags for get route request", "ipv6: Unsupported attribute in get route request",
}

func (q *query) strictHeader(r *request, unset netip.Addr, words queryWords) *refusal {
	bits := uint8(unset.BitLen())
	dst, src := r.body[rtmDstLen], r.body[rtmSrcLen]
	if dst != 0 && dst != bits || src != 0 && src != bits ||
		r.body[rtmTable] != 0 || r.body[rtmProtocol] != 0 || r.body[rtmScope] != 0 || r.body[rtmType] != 0 {
		return refuse(unix.EINVAL, words.values)
	}
	if q.flags&^(unix.RTM_F_NOTIFY|unix.RTM_F_LOOKUP_TABLE|unix.RTM_F_FIB_MATCH) != 0 {
		return refuse(unix.EINVAL, words.flags)
	}
	return nil
}

func (q *query) fill(r *request, attrs attributes) *refusal {
	for typ, addr := range map[uint16]*netip.Addr{unix.RTA_SRC: &q.src, unix.RTA_DST: &q.dst} {
		b, ok := attrs[typ]
		if !ok {
			continue
		}
		size := addr.BitLen() / 8
		if len(b) < size {
			return tooShort(*addr)
		}
		*addr, _ = netip.AddrFromSlice(b[:size])
	}
	nic, failure := attrs.uint32(unix.RTA_OIF)
	if failure != nil {
		return failure
	}
	if _, ok := r.byIndex(int32(nic)); nic != 0 && !ok {
		if q.dst.Is6() {
			return refuse(unix.ENETUNREACH, "")
		}
		return refuse(unix.ENODEV, "")
	}
	q.nic, q.uid = int32(nic), attrs[unix.RTA_UID]
	q.mark, failure = attrs.uint32(unix.RTA_MARK)
	return failure
}

// tooShort refuses an address attribute: IPv4's are words with a policy, IPv6's
// are looked at by the lookup itself.
func tooShort(family netip.Addr) *refusal {
	if family.Is4() {
		return errPolicy
	}
	return refuse(unix.EINVAL, "")
}

// owns says whether an address is one of the host's.
func (r *request) owns(a netip.Addr) bool {
	for _, link := range r.interfaces {
		for _, p := range link.Addrs {
			if p.Addr() == a || link.Loopback && a.Is4() && p.Contains(a) {
				return true
			}
		}
	}
	return false
}

func (r *request) loopback() int32 {
	for _, link := range r.interfaces {
		if link.Loopback {
			return link.Index
		}
	}
	return 0
}

// source is the address that a packet to dst by way of e is sent from: the
// row's own; dst itself when it is local; else the address of the interface
// that lies in a network with the next hop, or its first one.
func (r *request) source(e stack.Route, dst netip.Addr) netip.Addr {
	if e.Src.IsValid() {
		return e.Src
	}
	if e.Type == unix.RTN_LOCAL {
		return dst
	}
	next := dst
	if e.Gateway.IsValid() {
		next = e.Gateway
	}
	link, _ := r.byIndex(e.NIC)
	return firstAddress(link, next)
}

// firstAddress is link's address that a packet to next is sent from: of an
// IPv6 one the scope decides (RFC 6724 section 5, rule 2).
func firstAddress(link stack.Interface, next netip.Addr) netip.Addr {
	near := next.Is6() && (next.IsLinkLocalUnicast() || next.IsLinkLocalMulticast())
	var first netip.Addr
	for _, p := range link.Addrs {
		if p.Addr().Is4() != next.Is4() || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() != near {
			continue
		}
		if p.Contains(next) {
			return p.Addr()
		}
		if !first.IsValid() {
			first = p.Addr()
		}
	}
	return first
}
