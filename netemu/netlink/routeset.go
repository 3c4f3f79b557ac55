package netlink

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// ecnMask are the bits of rtm_tos that are none of a DSCP.
const ecnMask = 3

// newRoute4 is inet_rtm_newroute (net/ipv4/fib_frontend.c).
func newRoute4(r *request) *refusal {
	w, failure := parseRoute(r, netip.IPv4Unspecified())
	if failure != nil {
		return failure
	}
	return r.host.AddRoute(r.by, w.Route)
}

// deleteRoute4 is inet_rtm_delroute.
func deleteRoute4(r *request) *refusal {
	w, failure := parseRoute(r, netip.IPv4Unspecified())
	if failure != nil {
		return failure
	}
	w.AnyScope = w.Scope == unix.RT_SCOPE_NOWHERE
	return r.host.DeleteRoute(r.by, w)
}

// newRoute6 is inet6_rtm_newroute (net/ipv6/route.c).
func newRoute6(r *request) *refusal {
	w, failure := parseRoute(r, netip.IPv6Unspecified())
	if failure != nil {
		return failure
	}
	w.Scope = unix.RT_SCOPE_UNIVERSE // an IPv6 row has none
	if w.Protocol == unix.RTPROT_UNSPEC {
		w.Protocol = unix.RTPROT_BOOT
	}
	return r.host.AddRoute(r.by, w.Route)
}

// deleteRoute6 is inet6_rtm_delroute.
func deleteRoute6(r *request) *refusal {
	w, failure := parseRoute(r, netip.IPv6Unspecified())
	if failure != nil {
		return failure
	}
	w.Dst = w.Dst.Masked()
	return r.host.DeleteRoute(r.by, w)
}

// parseRoute reads a row as rtm_to_fib_config and rtm_to_fib6_config do; unset
// is the family's unspecified address.
func parseRoute(r *request, unset netip.Addr) (w rtnl.RouteSelector, failure *refusal) {
	if len(r.body) < unix.SizeofRtMsg {
		if unset.Is4() {
			return w, refuse(unix.EINVAL, "")
		}
		return w, errShortHeader
	}
	attrs, failure := parse(r.body[unix.SizeofRtMsg:], unix.RTA_MAX, false)
	if failure != nil {
		return w, failure
	}
	if r.body[rtmTOS]&ecnMask != 0 && unset.Is4() {
		return w, refuse(unix.EINVAL, "ipv4: Invalid dsfield (tos): ECN bits must be 0")
	}
	if told := len(attrs[unix.RTA_DST]); unset.Is6() && attrs[unix.RTA_DST] != nil && told < (int(r.body[rtmDstLen])+7)/8 {
		return w, refuse(unix.EINVAL, "")
	}
	if int(r.body[rtmDstLen]) > unset.BitLen() {
		return w, refuse(unix.EINVAL, "Invalid prefix length")
	}
	if r.body[rtmSrcLen] != 0 && unset.Is6() {
		return w, refuse(unix.EINVAL, "Specifying source address requires IPV6_SUBTREES to be enabled")
	}
	w.Table, w.Protocol = uint32(r.body[rtmTable]), r.body[rtmProtocol]
	w.Scope, w.Type, w.TOS = r.body[rtmScope], r.body[rtmType], r.body[rtmTOS]
	w.Flags = binary.NativeEndian.Uint32(r.body[rtmFlags:]) & (unix.RTNH_F_ONLINK | unix.RTNH_F_PERVASIVE | unix.RTNH_F_DEAD | unix.RTNH_F_LINKDOWN)
	if w.Type > unix.RTN_MAX {
		return w, refuse(unix.EINVAL, "Invalid route type")
	}
	if unset.Is6() {
		w.TOS, w.Flags = 0, w.Flags&unix.RTNH_F_ONLINK
	}
	return w, fillRoute(r, &w, attrs, unset)
}

// rtaNhID is RTA_NH_ID (<linux/rtnetlink.h>).
const rtaNhID = 30

// unsupportedRoute are the attributes of rows that the sandbox's stack has
// nothing for, with the words of the refusal.
var unsupportedRoute = map[uint16]string{
	unix.RTA_MULTIPATH: "netbox: no routes with several next hops",
	unix.RTA_VIA:       "netbox: no gateway of another family",
	unix.RTA_ENCAP:     "netbox: no encapsulation",
	unix.RTA_FLOW:      "netbox: no realms",
	rtaNhID:            "netbox: no nexthop objects",
	unix.RTA_EXPIRES:   "netbox: no routes that expire",
}

func fillRoute(r *request, w *rtnl.RouteSelector, attrs attributes, unset netip.Addr) *refusal {
	for typ, words := range unsupportedRoute {
		if _, ok := attrs[typ]; ok {
			return refuse(unix.EOPNOTSUPP, words)
		}
	}
	dst, failure := attrs.addr(unix.RTA_DST, unset)
	if failure != nil {
		return failure
	}
	if !dst.IsValid() {
		dst = unset
	}
	w.Dst = netip.PrefixFrom(dst, int(r.body[rtmDstLen]))
	if w.Gateway, failure = attrs.specified(unix.RTA_GATEWAY, unset); failure != nil {
		return failure
	}
	if w.Src, failure = attrs.specified(unix.RTA_PREFSRC, unset); failure != nil {
		return failure
	}
	if _, ok := attrs[unix.RTA_TABLE]; ok {
		if w.Table, failure = attrs.uint32(unix.RTA_TABLE); failure != nil {
			return failure
		}
	}
	if w.Table == unix.RT_TABLE_UNSPEC {
		w.Table = unix.RT_TABLE_MAIN
	}
	if w.Metric, failure = attrs.uint32(unix.RTA_PRIORITY); failure != nil {
		return failure
	}
	nic, failure := attrs.uint32(unix.RTA_OIF)
	w.NIC = int32(nic)
	if failure == nil {
		failure = fillMetrics(&w.Route, attrs[unix.RTA_METRICS])
	}
	return failure
}

// specified is the address in attribute typ; the unspecified one is none.
func (a attributes) specified(typ uint16, unset netip.Addr) (netip.Addr, *refusal) {
	addr, failure := a.addr(typ, unset)
	if addr == unset {
		return netip.Addr{}, failure
	}
	return addr, failure
}

// Bounds of metrics (ip_metrics_convert, net/ipv4/metrics.c).
const (
	maxAdvertisedMSS = 65535 - 40
	maxRouteMTU      = 65535 - 15
	maxHopLimit      = 255
	knownFeatures    = 0x1f // RTAX_FEATURE_MASK
)

// fillMetrics reads RTA_METRICS.
func fillMetrics(w *stack.Route, b []byte) *refusal {
	if b == nil {
		return nil
	}
	metrics, failure := parse(b, 0xffff&^0xc000, false)
	if failure != nil {
		return failure
	}
	for typ := range metrics {
		if int(typ) >= len(w.Metrics) {
			return refuse(unix.EINVAL, "Invalid metric type")
		}
		if typ == unix.RTAX_CC_ALGO {
			return refuse(unix.EINVAL, "Unknown tcp congestion algorithm")
		}
		v, failure := metrics.uint32(typ)
		if failure != nil {
			return refuse(unix.EINVAL, "Invalid attribute in metrics")
		}
		switch typ {
		case unix.RTAX_ADVMSS:
			v = min(v, maxAdvertisedMSS)
		case unix.RTAX_MTU:
			v = min(v, maxRouteMTU)
		case unix.RTAX_HOPLIMIT:
			v = min(v, maxHopLimit)
		case unix.RTAX_FEATURES:
			if v&^knownFeatures != 0 {
				return refuse(unix.EINVAL, "Unknown flag set in feature mask in metrics attribute")
			}
		}
		w.Metrics[typ] = v
	}
	return nil
}
