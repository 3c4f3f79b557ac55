package rtnl

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// AddRoute is RTM_NEWROUTE: row r, whose interface is 0 where none was told.
func (h *Host) AddRoute(by Request, r stack.Route) *Refusal {
	return h.do(by, func(c *change) *Refusal {
		switch {
		case len(c.routes) >= maxRoutes:
			return Refuse(unix.ENOBUFS, "netbox: too many routes")
		case r.Dst.Addr().Is6():
			return c.addRoute6(r)
		}
		return c.addRoute4(r)
	})
}

// DeleteRoute is RTM_DELROUTE.
func (h *Host) DeleteRoute(by Request, w RouteSelector) *Refusal {
	return h.do(by, func(c *change) *Refusal {
		if w.Dst.Addr().Is6() {
			return c.delete6(w)
		}
		if !c.hasTable4(w.Table) {
			return Refuse(unix.ESRCH, "FIB table does not exist")
		}
		if errno := c.delete4(w); errno != 0 {
			return Refuse(errno, "")
		}
		return nil
	})
}

// hasTable4 says whether a table of IPv4 was ever made: main and local ones
// are, others with their first row.
func (c *change) hasTable4(id uint32) bool {
	return id == unix.RT_TABLE_MAIN || id == unix.RT_TABLE_LOCAL ||
		slices.ContainsFunc(c.routes, func(r stack.Route) bool { return r.Table == id && r.Dst.Addr().Is4() })
}

// leastScopes are the scopes that types of rows have at least (fib_props,
// net/ipv4/fib_semantics.c).
var leastScopes = map[uint8]uint8{
	unix.RTN_UNSPEC: unix.RT_SCOPE_NOWHERE, unix.RTN_LOCAL: unix.RT_SCOPE_HOST, unix.RTN_BROADCAST: unix.RT_SCOPE_LINK,
	unix.RTN_ANYCAST: unix.RT_SCOPE_LINK, unix.RTN_NAT: unix.RT_SCOPE_NOWHERE, unix.RTN_XRESOLVE: unix.RT_SCOPE_NOWHERE,
}

// isRefusing says whether a row of this type leads nowhere.
func isRefusing(typ uint8) bool {
	return typ == unix.RTN_BLACKHOLE || typ == unix.RTN_UNREACHABLE || typ == unix.RTN_PROHIBIT || typ == unix.RTN_THROW
}

// addRoute4 makes the checks of fib_create_info and inserts the row.
func (c *change) addRoute4(r stack.Route) *Refusal {
	switch {
	case r.Dst.Masked() != r.Dst:
		return Refuse(unix.EINVAL, "Invalid prefix for given prefix length")
	case r.Flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0:
		return Refuse(unix.EINVAL, "Invalid rtm_flags - can not contain DEAD or LINKDOWN")
	case leastScopes[r.Type] > r.Scope:
		return Refuse(unix.EINVAL, "Invalid scope")
	case isRefusing(r.Type) && (r.Gateway.IsValid() || r.NIC != 0):
		return Refuse(unix.EINVAL, "Gateway, device and multipath can not be specified for this route type")
	}
	if !isRefusing(r.Type) {
		if failure := c.checkNexthop4(&r); failure != nil {
			return failure
		}
	}
	if r.Src.IsValid() && c.owner(r.Src) == nil && !c.isLocal4(r.Src) {
		return Refuse(unix.EINVAL, "Invalid prefsrc address")
	}
	if errno := c.insert4(r, c.by.Flags, c.by); errno != 0 {
		return Refuse(errno, "")
	}
	return nil
}

// checkNexthop4 finds the interface of a row (fib_check_nh).
func (c *change) checkNexthop4(r *stack.Route) *Refusal {
	if r.Scope == unix.RT_SCOPE_HOST {
		switch {
		case r.Gateway.IsValid():
			return Refuse(unix.EINVAL, "Route with host scope can not have a gateway")
		case c.link(r.NIC) == nil:
			return Refuse(unix.ENODEV, "")
		}
		return nil
	}
	if r.Gateway.IsValid() {
		return c.checkGateway4(r)
	}
	link := c.link(r.NIC)
	switch {
	case r.Flags&(unix.RTNH_F_PERVASIVE|unix.RTNH_F_ONLINK) != 0:
		return Refuse(unix.EINVAL, "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set")
	case link == nil:
		return Refuse(unix.ENODEV, "")
	case !link.Up:
		return Refuse(unix.ENETDOWN, "Device for nexthop is not up")
	}
	return nil
}

// checkGateway4 is fib_check_nh_v4_gw: the gateway must be reached directly.
func (c *change) checkGateway4(r *stack.Route) *Refusal {
	if r.Flags&unix.RTNH_F_ONLINK != 0 {
		link := c.link(r.NIC)
		switch {
		case r.Scope >= unix.RT_SCOPE_LINK:
			return Refuse(unix.EINVAL, "Nexthop has invalid scope")
		case link == nil:
			return Refuse(unix.ENODEV, "Nexthop device required for onlink")
		case !link.Up:
			return Refuse(unix.ENETDOWN, "Nexthop device is not up")
		case c.isLocal4(r.Gateway) || r.Gateway.IsMulticast():
			return Refuse(unix.EINVAL, "Nexthop has invalid gateway")
		}
		return nil
	}
	way, found := c.lookup(r.Gateway, r.NIC, max(r.Scope+1, unix.RT_SCOPE_LINK))
	switch {
	case !found:
		return Refuse(unix.ENETUNREACH, "Nexthop has invalid gateway")
	case way.Type != unix.RTN_UNICAST && way.Type != unix.RTN_LOCAL:
		return Refuse(unix.EINVAL, "Nexthop has invalid gateway")
	}
	link := c.link(way.NIC)
	switch {
	case link == nil:
		return Refuse(unix.EINVAL, "No egress device for nexthop gateway")
	case !link.Up:
		return Refuse(unix.ENETDOWN, "")
	}
	r.NIC = way.NIC
	return nil
}

// lookup finds the row for ip in the local and main tables: the longest
// prefix, the least metric. With nic only rows of that interface count, and
// only those of at least scope (fib_lookup).
func (c *change) lookup(ip netip.Addr, nic int32, scope uint8) (stack.Route, bool) {
	for _, table := range []uint32{unix.RT_TABLE_LOCAL, unix.RT_TABLE_MAIN} {
		best := -1
		for i, r := range c.routes {
			if r.Table != table || !r.Dst.Contains(ip) || nic != 0 && r.NIC != nic || r.Scope < scope {
				continue
			}
			if best < 0 || r.Dst.Bits() > c.routes[best].Dst.Bits() ||
				r.Dst.Bits() == c.routes[best].Dst.Bits() && r.Metric < c.routes[best].Metric {
				best = i
			}
		}
		if best >= 0 {
			return c.routes[best], true
		}
	}
	return stack.Route{}, false
}

// isLocal4 says whether the local table takes ip for one of the host's.
func (c *change) isLocal4(ip netip.Addr) bool {
	r, ok := c.lookup(ip, 0, 0)
	return ok && r.Type == unix.RTN_LOCAL
}

// addRoute6 makes the checks of ip6_route_info_create and inserts the row.
func (c *change) addRoute6(r stack.Route) *Refusal {
	r.Dst = r.Dst.Masked()
	if r.Type == unix.RTN_UNSPEC {
		r.Type = unix.RTN_UNICAST
	}
	if r.Metric == 0 {
		r.Metric = stack.MetricUser
	}
	if isRefusing(r.Type) {
		r.NIC, r.Gateway = stack.Loopback, netip.Addr{}
	} else if failure := c.checkNexthop6(&r); failure != nil {
		return failure
	}
	if r.Src.IsValid() && c.owner(r.Src) == nil {
		return Refuse(unix.EINVAL, "Invalid source address")
	}
	return c.insert6(r, c.by.Flags, c.by)
}

// checkNexthop6 finds the interface of a row (fib6_nh_init, ip6_validate_gw).
func (c *change) checkNexthop6(r *stack.Route) *Refusal {
	link := c.link(r.NIC)
	if r.NIC != 0 && link == nil {
		return Refuse(unix.ENODEV, "")
	}
	if r.Flags&unix.RTNH_F_ONLINK != 0 {
		switch {
		case link == nil:
			return Refuse(unix.ENODEV, "Nexthop device required for onlink")
		case !link.Up:
			return Refuse(unix.ENETDOWN, "Nexthop device is not up")
		}
	}
	if r.Gateway.IsValid() {
		if failure := c.checkGateway6(r); failure != nil {
			return failure
		}
		link = c.link(r.NIC)
	}
	switch {
	case link == nil:
		return Refuse(unix.ENODEV, "")
	case !hasInet6(link):
		return Refuse(unix.ENODEV, "")
	case !link.Up:
		return Refuse(unix.ENETDOWN, "Nexthop device is not up")
	}
	return nil
}

func (c *change) checkGateway6(r *stack.Route) *Refusal {
	if c.owner(r.Gateway) != nil && (r.NIC == 0 || c.owner(r.Gateway).Index == r.NIC) {
		return Refuse(unix.EINVAL, "Gateway can not be a local address")
	}
	switch {
	case r.Gateway.IsLinkLocalUnicast():
		if r.NIC == 0 {
			return Refuse(unix.EINVAL, "Nexthop device required for link-local gateway")
		}
	case r.Gateway.IsMulticast() || r.Gateway.IsLoopback() || r.Gateway.IsUnspecified():
		return Refuse(unix.EINVAL, "Invalid gateway address")
	case r.Flags&unix.RTNH_F_ONLINK == 0:
		way, found := c.lookup(r.Gateway, r.NIC, 0)
		if !found || isRefusing(way.Type) || way.Gateway.IsValid() {
			return Refuse(unix.EHOSTUNREACH, "")
		}
		r.NIC = way.NIC
	}
	if r.NIC == stack.Loopback {
		return Refuse(unix.EINVAL, "Egress device can not be loopback device for this route")
	}
	return nil
}
