package rtnl

import (
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// sameKey says whether two rows of IPv4 are of the same fib alias: destination,
// TOS, metric.
func sameKey(a, b stack.Route) bool {
	return a.Table == b.Table && a.Dst == b.Dst && a.TOS == b.TOS && a.Metric == b.Metric
}

// insert4 puts a row into its table as fib_table_insert does (net/ipv4/
// fib_trie.c). Flags are those of the request (NLM_F_*). EEXIST, ENOENT.
func (c *change) insert4(r stack.Route, flags uint16, by *Request) unix.Errno {
	first, last, match := c.aliases(r)
	told := uint16(unix.NLM_F_EXCL)
	at := len(c.routes)
	if first >= 0 {
		told = 0
		switch {
		case flags&unix.NLM_F_EXCL != 0:
			return unix.EEXIST
		case flags&unix.NLM_F_REPLACE != 0 && match == first:
			return 0
		case match >= 0:
			return unix.EEXIST
		case flags&unix.NLM_F_REPLACE != 0:
			c.routes[first] = r
			c.routeEvent(r, false, unix.NLM_F_REPLACE, by)
			return 0
		}
		at = first
		if flags&unix.NLM_F_APPEND != 0 {
			at, told = last+1, unix.NLM_F_APPEND
		}
	}
	if flags&unix.NLM_F_CREATE == 0 {
		return unix.ENOENT
	}
	c.routes = slices.Insert(c.routes, at, r)
	c.routeEvent(r, false, told|unix.NLM_F_CREATE, by)
	return 0
}

// aliases are the places of the first and the last row with r's key, and of r
// itself; -1: none.
func (c *change) aliases(r stack.Route) (first, last, match int) {
	first, last, match = -1, -1, -1
	for i, old := range c.routes {
		if !sameKey(old, r) {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
		if old == r {
			match = i
		}
	}
	return first, last, match
}

// delete4 takes out the row that a RTM_DELROUTE means (fib_table_delete): the
// one with the least metric of those that match. ESRCH: there is none.
func (c *change) delete4(w RouteSelector) unix.Errno {
	best := -1
	for i, r := range c.routes {
		if w.matches4(r) && (best < 0 || r.Metric < c.routes[best].Metric) {
			best = i
		}
	}
	if best < 0 {
		return unix.ESRCH
	}
	c.removeRoute(best, c.by)
	return 0
}

// RouteSelector says which row a RTM_DELROUTE means: what is zero in it does
// not matter, but for table, destination and TOS.
type RouteSelector struct {
	stack.Route
	AnyScope bool
}

func (w RouteSelector) matches4(r stack.Route) bool {
	return r.Table == w.Table && r.Dst == w.Dst && r.TOS == w.TOS &&
		(w.Type == 0 || r.Type == w.Type) && (w.AnyScope || r.Scope == w.Scope) &&
		(!w.Src.IsValid() || r.Src == w.Src) && w.matchesRest(r) && w.matchesMetrics(r)
}

// matches6 is what ip6_route_del compares.
func (w RouteSelector) matches6(r stack.Route) bool {
	return r.Table == w.Table && r.Dst == w.Dst && w.matchesRest(r)
}

func (w RouteSelector) matchesRest(r stack.Route) bool {
	return (w.Protocol == 0 || r.Protocol == w.Protocol) && (w.Metric == 0 || r.Metric == w.Metric) &&
		(w.NIC == 0 || r.NIC == w.NIC) && (!w.Gateway.IsValid() || r.Gateway == w.Gateway)
}

// matchesMetrics is fib_metrics_match: those that are told must be the row's.
func (w RouteSelector) matchesMetrics(r stack.Route) bool {
	for i, v := range w.Metrics {
		if v != 0 && r.Metrics[i] != v {
			return false
		}
	}
	return true
}
