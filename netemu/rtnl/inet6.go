package rtnl

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// ipv6MinMTU is what IPv6 needs of a link, in bytes (RFC 8200 section 5).
const ipv6MinMTU = 1280

// HasInet6 says whether a link carries IPv6 when it is up.
func HasInet6(link stack.Interface) bool { return link.MTU >= ipv6MinMTU }

func hasInet6(link *stack.Interface) bool { return HasInet6(*link) }

// Who made an address: IFAPROT_KERNEL_LO, IFAPROT_KERNEL_LL
// (<linux/if_addr.h>).
const (
	protoKernelLo = 1
	protoKernelLL = 3
)

// startInet6 is what addrconf does when a link comes up: the way of groups,
// and the address that the kernel makes itself.
func (c *change) startInet6(link *stack.Interface) {
	a := stack.Address{
		Prefix: netip.PrefixFrom(netip.IPv6Loopback(), 128), Scope: unix.RT_SCOPE_HOST, Protocol: protoKernelLo,
		Flags: unix.IFA_F_PERMANENT, Valid: stack.Forever, Preferred: stack.Forever,
	}
	if link.Loopback {
		c.insertAddress6(link, a)
		c.inet6Event(link)
		return
	}
	a.Prefix, a.Scope, a.Protocol = netip.PrefixFrom(stack.LinkLocal(link.HardwareAddr), 64), unix.RT_SCOPE_LINK, protoKernelLL
	c.insert6(stack.MulticastRoute(*link), 0, nil)
	c.insert6(stack.AddressRoutes(*link, a, a)[0], 0, nil)
	c.inet6Event(link)
	c.insertAddress6(link, a)
}

func (c *change) inet6Event(link *stack.Interface) {
	l := *link
	c.events = append(c.events, Event{Link: &l, Inet6: true})
}

// stopInet6 is what addrconf does when a link goes down (addrconf_ifdown): all
// IPv6 rows and addresses of it go. A row that refuses hangs on lo.
func (c *change) stopInet6(link *stack.Interface) {
	var gone []stack.Route
	c.routes = slices.DeleteFunc(c.routes, func(r stack.Route) bool {
		if r.NIC != link.Index || !r.Dst.Addr().Is6() {
			return false
		}
		gone = append(gone, r)
		return true
	})
	slices.SortStableFunc(gone, dumpOrder)
	for _, r := range gone {
		c.routeEvent(r, true, 0, nil)
	}
	for i := 0; i < len(link.Addrs); {
		if a := link.Addrs[i]; a.Addr().Is6() {
			link.Addrs = slices.Delete(link.Addrs, i, i+1)
			c.addressEvent(link, a, true)
			continue
		}
		i++
	}
}
