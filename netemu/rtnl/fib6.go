package rtnl

import (
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// insert6 puts a row into its table as fib6_add_rt2node does (net/ipv6/
// ip6_fib.c). Flags are those of the request; a change of the kernel's own has
// none. Rows of the same metric are ways beside each other.
func (c *change) insert6(r stack.Route, flags uint16, by *Request) *Refusal {
	first, last, known := -1, -1, false
	for i, old := range c.routes {
		if old.Table != r.Table || old.Dst != r.Dst {
			continue
		}
		known = true
		if old.Metric != r.Metric {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
		if flags&unix.NLM_F_EXCL != 0 || flags&unix.NLM_F_REPLACE == 0 && old.NIC == r.NIC && old.Gateway == r.Gateway {
			return Refuse(unix.EEXIST, "")
		}
	}
	if flags&unix.NLM_F_REPLACE != 0 && first >= 0 {
		c.replace6(first, r, by)
		return nil
	}
	if flags&(unix.NLM_F_REPLACE|unix.NLM_F_CREATE) == unix.NLM_F_REPLACE {
		if !known {
			return Refuse(unix.ENOENT, "Can not replace route - no match found")
		}
		return Refuse(unix.ENOENT, "")
	}
	at, told := len(c.routes), flags&unix.NLM_F_APPEND|unix.NLM_F_EXCL
	if first >= 0 {
		at, told = last+1, told&^unix.NLM_F_EXCL
	}
	c.routes = slices.Insert(c.routes, at, r)
	c.routeEvent(r, false, told|unix.NLM_F_CREATE, by)
	return nil
}

// replace6 puts r in the place of the row at i and of the ways beside it.
func (c *change) replace6(i int, r stack.Route, by *Request) {
	c.routes[i] = r
	rest := c.routes[i+1:]
	rest = slices.DeleteFunc(rest, func(o stack.Route) bool {
		return o.Table == r.Table && o.Dst == r.Dst && o.Metric == r.Metric && o.Gateway.IsValid()
	})
	c.routes = c.routes[:i+1+len(rest)]
	c.routeEvent(r, false, unix.NLM_F_REPLACE, by)
}

// delete6 takes out the row that a RTM_DELROUTE means (ip6_route_del), the
// least metric first.
func (c *change) delete6(w RouteSelector) *Refusal {
	best, known := -1, w.Table == unix.RT_TABLE_MAIN || w.Table == unix.RT_TABLE_LOCAL
	for i, r := range c.routes {
		known = known || r.Table == w.Table && r.Dst.Addr().Is6()
		if w.matches6(r) && (best < 0 || r.Metric < c.routes[best].Metric) {
			best = i
		}
	}
	switch {
	case !known:
		return Refuse(unix.ESRCH, "FIB table does not exist")
	case best < 0:
		return Refuse(unix.ESRCH, "")
	}
	c.removeRoute(best, c.by)
	return nil
}
