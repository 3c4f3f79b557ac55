package rtnl

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// addAddress6 is inet6_rtm_newaddr (net/ipv6/addrconf.c). There is no duplicate
// address detection: an address is usable at once.
func (c *change) addAddress6(link *stack.Interface, a stack.Address) *Refusal {
	for i, b := range link.Addrs {
		if b.Addr() != a.Addr() {
			continue
		}
		if c.by.Flags&unix.NLM_F_EXCL != 0 || c.by.Flags&unix.NLM_F_REPLACE == 0 {
			return Refuse(unix.EEXIST, "ipv6: address already assigned")
		}
		b.Valid, b.Preferred, b.Protocol = a.Valid, a.Preferred, a.Protocol
		b.Flags = lifetimeFlags(b.Flags, b)
		link.Addrs[i] = b
		c.addressEvent(link, b, false)
		return nil
	}
	if failure := checkAddress6(link, a); failure != nil {
		return failure
	}
	a.Flags = lifetimeFlags(a.Flags, a)
	routes := stack.AddressRoutes(*link, a, a)
	for _, r := range routes[:len(routes)-1] {
		c.insert6(r, 0, nil)
	}
	c.insertAddress6(link, a)
	return nil
}

// checkAddress6 makes the checks of ipv6_add_addr.
func checkAddress6(link *stack.Interface, a stack.Address) *Refusal {
	ip := a.Addr()
	switch {
	case !hasInet6(link):
		return Refuse(unix.EINVAL, "")
	case ip.IsUnspecified():
		return Refuse(unix.EADDRNOTAVAIL, "ipv6: Invalid address")
	case ip.IsMulticast() && a.Flags&unix.IFA_F_MCAUTOJOIN == 0:
		return Refuse(unix.EADDRNOTAVAIL, `ipv6: Cannot assign multicast address without "IFA_F_MCAUTOJOIN" flag`)
	case ip.IsLoopback() && !link.Loopback:
		return Refuse(unix.EADDRNOTAVAIL, "ipv6: Cannot assign loopback address on this device")
	}
	return nil
}

// insertAddress6 puts an address where its scope belongs (ipv6_link_dev_addr)
// and, if the link is up, makes it a local one.
func (c *change) insertAddress6(link *stack.Interface, a stack.Address) {
	at := len(link.Addrs)
	for i, b := range link.Addrs {
		if b.Addr().Is6() && scope6(b.Addr()) <= scope6(a.Addr()) {
			at = i
			break
		}
	}
	link.Addrs = slices.Insert(link.Addrs, at, a)
	c.addressEvent(link, a, false)
	if link.Up {
		routes := stack.AddressRoutes(*link, a, a)
		c.insert6(routes[len(routes)-1], 0, nil)
	}
}

// scope6 orders addresses as ipv6_addr_src_scope does.
func scope6(a netip.Addr) int {
	switch {
	case a.IsLoopback():
		return 1 // IPV6_ADDR_SCOPE_NODELOCAL
	case a.IsLinkLocalUnicast():
		return 2
	}
	return 14
}

// DeleteAddress6 is RTM_DELADDR for IPv6 (inet6_addr_del).
func (h *Host) DeleteAddress6(by Request, index int32, p netip.Prefix) *Refusal {
	return h.do(by, func(c *change) *Refusal {
		link := c.link(index)
		if link == nil {
			return Refuse(unix.ENODEV, "ipv6: Unable to find the interface")
		}
		for i, a := range link.Addrs {
			if a.Prefix == p {
				c.deleteAddress6(link, i)
				return nil
			}
		}
		return Refuse(unix.EADDRNOTAVAIL, "ipv6: address not found")
	})
}

// deleteAddress6 is ipv6_del_addr.
func (c *change) deleteAddress6(link *stack.Interface, i int) {
	a := link.Addrs[i]
	link.Addrs = slices.Delete(link.Addrs, i, i+1)
	c.addressEvent(link, a, true)
	shared := slices.ContainsFunc(link.Addrs, func(b stack.Address) bool {
		return b.Addr().Is6() && b.Masked() == a.Masked() && b.Flags&unix.IFA_F_NOPREFIXROUTE == 0
	})
	routes := stack.AddressRoutes(*link, a, a)
	slices.Reverse(routes)
	for n, r := range routes {
		if n > 0 && shared {
			break
		}
		if at := slices.Index(c.routes, r); at >= 0 {
			c.removeRoute(at, nil)
		}
	}
}
