package rtnl

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// AddAddress is RTM_NEWADDR: address a on the link index. An empty label is the
// link's name.
func (h *Host) AddAddress(by Request, index int32, a stack.Address) *Refusal {
	return h.do(by, func(c *change) *Refusal {
		link := c.link(index)
		switch {
		case c.addresses() >= maxAddresses:
			return Refuse(unix.ENOBUFS, "netbox: too many addresses")
		case a.Addr().Is6() && link == nil:
			return Refuse(unix.ENODEV, "ipv6: Unable to find the interface")
		case a.Addr().Is6():
			return c.addAddress6(link, a)
		case link == nil:
			return Refuse(unix.ENODEV, "ipv4: Device not found")
		}
		return c.addAddress4(link, a)
	})
}

// addAddress4 is inet_rtm_newaddr (net/ipv4/devinet.c).
func (c *change) addAddress4(link *stack.Interface, a stack.Address) *Refusal {
	if a.Label == "" {
		a.Label = link.Name
	}
	for i, b := range link.Addrs {
		if b.Bits() != a.Bits() || b.Addr() != a.Addr() || !b.Network().Contains(far(a)) {
			continue
		}
		if c.by.Flags&unix.NLM_F_EXCL != 0 || c.by.Flags&unix.NLM_F_REPLACE == 0 {
			return Refuse(unix.EEXIST, "ipv4: Address already assigned")
		}
		b.Protocol, b.Valid, b.Preferred = a.Protocol, a.Valid, a.Preferred
		b.Flags = lifetimeFlags(b.Flags, b)
		link.Addrs[i] = b
		c.addressEvent(link, b, false)
		return nil
	}
	return c.insertAddress4(link, a)
}

// lifetimeFlags are the flags of an address with a's lifetimes
// (set_ifa_lifetime).
func lifetimeFlags(flags uint32, a stack.Address) uint32 {
	flags &^= unix.IFA_F_PERMANENT | unix.IFA_F_DEPRECATED
	if a.Valid == stack.Forever {
		flags |= unix.IFA_F_PERMANENT
	}
	if a.Preferred == 0 {
		flags |= unix.IFA_F_DEPRECATED
	}
	return flags
}

// insertAddress4 is __inet_insert_ifa: a second address of a network is a
// secondary one.
func (c *change) insertAddress4(link *stack.Interface, a stack.Address) *Refusal {
	if a.Addr().IsUnspecified() {
		return nil
	}
	a.Flags = lifetimeFlags(a.Flags, a) &^ unix.IFA_F_SECONDARY
	at, primary := 0, a
	for i, b := range link.Addrs {
		if !b.Addr().Is4() {
			continue
		}
		if b.Flags&unix.IFA_F_SECONDARY == 0 && a.Scope <= b.Scope {
			at = i + 1
		}
		if b.Bits() != a.Bits() || !b.Network().Contains(far(a)) {
			continue
		}
		switch {
		case b.Addr() == a.Addr():
			return Refuse(unix.EEXIST, "ipv4: Address already assigned")
		case b.Scope != a.Scope:
			return Refuse(unix.EINVAL, "ipv4: Invalid scope value")
		}
		if a.Flags&unix.IFA_F_SECONDARY == 0 {
			primary = b
		}
		a.Flags |= unix.IFA_F_SECONDARY
	}
	if a.Flags&unix.IFA_F_SECONDARY != 0 {
		at = len(link.Addrs)
	}
	link.Addrs = slices.Insert(link.Addrs, at, a)
	c.addressEvent(link, a, false)
	c.announce4(link, a, primary)
	return nil
}

// announce4 adds the routes that address a brings (fib_add_ifaddr).
func (c *change) announce4(link *stack.Interface, a, primary stack.Address) {
	for _, r := range stack.AddressRoutes(*link, a, primary) {
		c.insert4(r, unix.NLM_F_CREATE|unix.NLM_F_APPEND, nil)
	}
}

// primaryOf is the first address of a's network on a link
// (inet_ifa_byprefix).
func primaryOf(link *stack.Interface, a stack.Address) stack.Address {
	for _, b := range link.Addrs {
		if b.Addr().Is4() && b.Bits() == a.Bits() && b.Network().Contains(far(a)) {
			return b
		}
	}
	return a
}

// AddressSelector says which IPv4 address a RTM_DELADDR means; what is invalid
// or empty does not matter.
type AddressSelector struct {
	Local   netip.Addr
	Address netip.Prefix // IFA_ADDRESS
	Label   string
}

// DeleteAddress4 is RTM_DELADDR for IPv4 (inet_rtm_deladdr).
func (h *Host) DeleteAddress4(by Request, index int32, s AddressSelector) *Refusal {
	return h.do(by, func(c *change) *Refusal {
		link := c.link(index)
		if link == nil {
			return Refuse(unix.ENODEV, "ipv4: Device not found")
		}
		for i, a := range link.Addrs {
			switch {
			case !a.Addr().Is4(), s.Local.IsValid() && a.Addr() != s.Local, s.Label != "" && a.Label != s.Label:
				continue
			case s.Address.IsValid() && (s.Address.Bits() != a.Bits() || !a.Network().Contains(s.Address.Addr())):
				continue
			}
			c.deleteAddress4(link, i)
			return nil
		}
		return Refuse(unix.EADDRNOTAVAIL, "ipv4: Address not found")
	})
}

// deleteAddress4 is __inet_del_ifa: with a primary address its secondary ones
// go, and with the last one all routes of the link.
func (c *change) deleteAddress4(link *stack.Interface, i int) {
	a := link.Addrs[i]
	primary := primaryOf(link, a)
	if a.Flags&unix.IFA_F_SECONDARY == 0 {
		for j := 0; j < len(link.Addrs); {
			b := link.Addrs[j]
			if b.Addr().Is4() && b.Flags&unix.IFA_F_SECONDARY != 0 && b.Bits() == a.Bits() && a.Network().Contains(far(b)) {
				c.takeAddress4(link, j, primary)
				continue
			}
			j++
		}
		i = slices.Index(link.Addrs, a)
	}
	c.takeAddress4(link, i, primary)
	if !hasAddress4(link) {
		index := link.Index
		c.flushRoutes(func(r stack.Route) bool { return r.NIC == index && r.Dst.Addr().Is4() })
	}
}

// takeAddress4 takes one address away, and the routes that no other address
// brings (fib_del_ifaddr).
func (c *change) takeAddress4(link *stack.Interface, i int, primary stack.Address) {
	a := link.Addrs[i]
	link.Addrs = slices.Delete(link.Addrs, i, i+1)
	c.addressEvent(link, a, true)
	kept := c.routesOfAddresses4()
	brought := stack.AddressRoutes(*link, a, primary)
	// The network's route goes first, then broadcasts, the address last.
	slices.SortStableFunc(brought, func(x, y stack.Route) int { return withdrawalOrder(x) - withdrawalOrder(y) })
	for _, r := range brought {
		if slices.ContainsFunc(kept, func(k stack.Route) bool {
			return k.Table == r.Table && k.Dst == r.Dst && k.Type == r.Type && k.NIC == r.NIC
		}) {
			continue
		}
		if at := slices.Index(c.routes, r); at >= 0 {
			c.removeRoute(at, nil)
		}
	}
	if c.owner(a.Addr()) == nil {
		c.flushRoutes(func(r stack.Route) bool { return r.Src == a.Addr() && r.Protocol != unix.RTPROT_KERNEL })
	}
}

func withdrawalOrder(r stack.Route) int {
	switch {
	case r.Type == unix.RTN_LOCAL && r.Dst.IsSingleIP():
		return 2
	case r.Type == unix.RTN_BROADCAST:
		return 1
	}
	return 0
}

// routesOfAddresses4 are the rows that the IPv4 addresses bring.
func (c *change) routesOfAddresses4() []stack.Route {
	var all []stack.Route
	for i := range c.links {
		for _, a := range c.links[i].Addrs {
			if a.Addr().Is4() {
				all = append(all, stack.AddressRoutes(c.links[i], a, primaryOf(&c.links[i], a))...)
			}
		}
	}
	return all
}
