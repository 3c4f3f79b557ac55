package netlink

import (
	"encoding/binary"
	"math"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// Layout of struct rtmsg (<linux/rtnetlink.h>): offsets of what requests tell.
const (
	rtmDstLen   = 1
	rtmSrcLen   = 2
	rtmTOS      = 3
	rtmTable    = 4
	rtmProtocol = 5
	rtmScope    = 6
	rtmType     = 7
	rtmFlags    = 8
)

// dumpRoutes4 answers a RTM_GETROUTE dump of the IPv4 tables, as inet_dump_fib
// does.
func dumpRoutes4(r *request) (rows, *refusal) { return dumpRoutes(r, true) }

// dumpRoutes6 does the same for IPv6, as inet6_dump_fib does.
func dumpRoutes6(r *request) (rows, *refusal) { return dumpRoutes(r, false) }

func dumpRoutes(r *request, is4 bool) (rows, *refusal) {
	f, failure := parseRouteFilter(r)
	if failure != nil {
		return rows{}, failure
	}
	table := rtnl.Dump(r.routes, is4)
	if failure := f.missingTable(r, is4); failure != nil {
		return rows{filtered: f.set}, failure
	}
	answer := rows{filtered: f.set}
	for _, e := range table {
		if f.passes(e) {
			answer.list = append(answer.list, routeRow(e))
		}
	}
	return answer, nil
}

// routeFilter says which rows a dump asks for; 0 is any.
type routeFilter struct {
	table           uint32
	nic             int32
	proto, typ      uint8
	prefixes, cache bool // RTM_F_PREFIX, RTM_F_CLONED: of both there are none
	set             bool // the kernel filters, and says so
}

// parseRouteFilter reads a dump request as ip_valid_fib_dump_req
// (net/ipv4/fib_frontend.c) does. One that is not strict filters by
// RTM_F_PREFIX only.
func parseRouteFilter(r *request) (routeFilter, *refusal) {
	var f routeFilter
	if !r.strict {
		if len(r.body) >= unix.SizeofRtMsg {
			f.prefixes = binary.NativeEndian.Uint32(r.body[rtmFlags:])&unix.RTM_F_PREFIX != 0
		}
		return f, nil
	}
	if len(r.body) < unix.SizeofRtMsg {
		return f, refuse(unix.EINVAL, "Invalid header for FIB dump request")
	}
	if r.body[rtmDstLen] != 0 || r.body[rtmSrcLen] != 0 || r.body[rtmTOS] != 0 || r.body[rtmScope] != 0 {
		return f, refuse(unix.EINVAL, "Invalid values in header for FIB dump request")
	}
	flags := binary.NativeEndian.Uint32(r.body[rtmFlags:])
	if flags&^(unix.RTM_F_CLONED|unix.RTM_F_PREFIX) != 0 {
		return f, refuse(unix.EINVAL, "Invalid flags for FIB dump request")
	}
	f.prefixes, f.cache = flags&unix.RTM_F_PREFIX != 0, flags&unix.RTM_F_CLONED != 0
	f.table, f.proto, f.typ = uint32(r.body[rtmTable]), r.body[rtmProtocol], r.body[rtmType]
	failure := f.parseAttributes(r)
	f.set = flags != 0 || f.table != 0 || f.proto != 0 || f.typ != 0 || f.nic != 0
	return f, failure
}

func (f *routeFilter) parseAttributes(r *request) *refusal {
	attrs, failure := parse(r.body[unix.SizeofRtMsg:], unix.RTA_MAX, true)
	if failure != nil {
		return failure
	}
	if _, ok := attrs[unix.RTA_TABLE]; ok {
		if f.table, failure = attrs.uint32(unix.RTA_TABLE); failure != nil {
			return failure
		}
	}
	if _, ok := attrs[unix.RTA_OIF]; ok {
		nic, failure := attrs.uint32(unix.RTA_OIF)
		if failure != nil {
			return failure
		}
		if _, ok := r.byIndex(int32(nic)); !ok {
			return refuse(unix.ENODEV, "")
		}
		f.nic = int32(nic)
	}
	return attrs.only("Unsupported attribute in dump request", unix.RTA_TABLE, unix.RTA_OIF)
}

// missingTable refuses a table that does not exist, unless all families are
// asked.
func (f routeFilter) missingTable(r *request, is4 bool) *refusal {
	switch f.table {
	case unix.RT_TABLE_UNSPEC, unix.RT_TABLE_MAIN, unix.RT_TABLE_LOCAL:
		return nil
	}
	for _, row := range r.routes {
		if row.Table == f.table && row.Dst.Addr().Is4() == is4 {
			return nil
		}
	}
	if r.body[0] == unix.AF_UNSPEC {
		return nil
	}
	if is4 {
		return refuse(unix.ENOENT, "ipv4: FIB table does not exist")
	}
	return refuse(unix.ENOENT, "ipv6: FIB table does not exist")
}

func (f routeFilter) passes(e stack.Route) bool {
	return !f.prefixes && !f.cache &&
		(f.table == 0 || f.table == e.Table) && (f.nic == 0 || f.nic == e.NIC) &&
		(f.proto == 0 || f.proto == e.Protocol) && (f.typ == 0 || f.typ == e.Type)
}

// rtmsg is the header of a route's row. A table number that needs more than a
// byte is told by RTA_TABLE alone.
func rtmsg(e stack.Route, srcLen int, flags uint32) []byte {
	family, table := uint8(unix.AF_INET), uint8(unix.RT_TABLE_COMPAT)
	if e.Dst.Addr().Is6() {
		family = unix.AF_INET6
	}
	if e.Table <= math.MaxUint8 {
		table = uint8(e.Table)
	}
	b := []byte{family, uint8(e.Dst.Bits()), uint8(srcLen), e.TOS, table, e.Protocol, e.Scope, e.Type}
	return binary.NativeEndian.AppendUint32(b, flags)
}

// prefMedium is ICMPV6_ROUTER_PREF_MEDIUM (<linux/icmpv6.h>).
const prefMedium = 0

// routeRow is the RTM_NEWROUTE of a row, its attributes in the order of
// fib_dump_info and rt6_fill_node.
func routeRow(e stack.Route) row {
	is6 := e.Dst.Addr().Is6()
	attrs := encode(func(ae *nl.AttributeEncoder) {
		ae.Uint32(unix.RTA_TABLE, e.Table)
		if e.Dst.Bits() > 0 {
			ae.Bytes(unix.RTA_DST, e.Dst.Addr().AsSlice())
		}
		if is6 {
			putSource(ae, e)
			putMetrics(ae, e)
		}
		if is6 || e.Metric != 0 {
			ae.Uint32(unix.RTA_PRIORITY, e.Metric)
		}
		if !is6 {
			putMetrics(ae, e)
			putSource(ae, e)
		}
		if e.Gateway.IsValid() {
			ae.Bytes(unix.RTA_GATEWAY, e.Gateway.AsSlice())
		}
		if e.NIC != 0 {
			ae.Uint32(unix.RTA_OIF, uint32(e.NIC))
		}
		if is6 {
			ae.Bytes(unix.RTA_CACHEINFO, routeCacheinfo(0))
			ae.Uint8(unix.RTA_PREF, prefMedium)
		}
	})
	return row{unix.RTM_NEWROUTE, append(rtmsg(e, 0, e.Flags), attrs...)}
}

func putSource(ae *nl.AttributeEncoder, e stack.Route) {
	if e.Src.IsValid() {
		ae.Bytes(unix.RTA_PREFSRC, e.Src.AsSlice())
	}
}

// putMetrics adds RTA_METRICS, as rtnetlink_put_metrics does: none if no metric
// is set.
func putMetrics(ae *nl.AttributeEncoder, e stack.Route) {
	b := encode(func(ae *nl.AttributeEncoder) {
		for i, v := range e.Metrics {
			if v != 0 {
				ae.Uint32(uint16(i), v)
			}
		}
	})
	if len(b) > 0 {
		ae.Bytes(unix.RTA_METRICS, b)
	}
}

// routeCacheinfo is a struct rta_cacheinfo (<linux/rtnetlink.h>), of which
// only the number of users, the first word, is told.
func routeCacheinfo(users uint32) []byte {
	const size = 32
	return append(binary.NativeEndian.AppendUint32(nil, users), make([]byte, size-4)...)
}
