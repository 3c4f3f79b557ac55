package netlink

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/netdev"
	"netbox/netemu/stack"
)

// Metrics of IPv6 routes (IP6_RT_PRIO_USER, IP6_RT_PRIO_ADDRCONF,
// <linux/ipv6_route.h>). IPv4 routes have none.
const (
	metricUser     = 1024
	metricAddrconf = 256
)

// entry is one row of a routing table: those of the main table come from the
// source, those of the local table follow from the interfaces' addresses.
type entry struct {
	table, proto, scope, typ uint8
	dst                      netip.Prefix
	gateway                  netip.Addr // invalid: on link
	nic                      int32
	src                      netip.Addr // invalid: none told
	metric                   uint32
}

// fib lists the main table and then the local one, of one family, each in the
// order in which Linux dumps it.
func (r *request) fib(is4 bool) []entry {
	var main, local []entry
	for _, route := range r.routes {
		link, ok := r.byIndex(route.NIC)
		if ok && !link.Loopback && route.Dst.Addr().Is4() == is4 {
			main = append(main, mainEntry(link, route))
		}
	}
	for _, link := range r.interfaces {
		for _, p := range link.Addrs {
			if p.Addr().Is4() == is4 {
				local = append(local, localEntries(link, p)...)
			}
		}
		if !is4 && !link.Loopback {
			local = append(local, multicastEntry(link))
		}
	}
	order := trieOrder
	if !is4 {
		order = treeOrder
	}
	slices.SortStableFunc(main, order)
	slices.SortStableFunc(local, order)
	return append(main, local...)
}

// mainEntry tells a route of the source as the kernel would: one that follows
// from an address of the interface is the kernel's own, others were set at
// boot.
func mainEntry(link stack.Interface, route stack.Route) entry {
	e := entry{
		table: unix.RT_TABLE_MAIN, proto: unix.RTPROT_BOOT, typ: unix.RTN_UNICAST,
		dst: route.Dst.Masked(), gateway: route.Gateway, nic: route.NIC, src: route.Src,
	}
	connected := false
	for _, p := range link.Addrs {
		connected = connected || !route.Gateway.IsValid() && p.Masked() == e.dst
	}
	if connected {
		e.proto = unix.RTPROT_KERNEL
	}
	if e.dst.Addr().Is4() {
		if !route.Gateway.IsValid() {
			e.scope = unix.RT_SCOPE_LINK
		}
		return e
	}
	e.metric = metricUser
	if connected {
		e.metric, e.src = metricAddrconf, netip.Addr{}
	}
	return e
}

// localEntries are the rows of the local table that address p brings, as
// fib_add_ifaddr (net/ipv4/fib_frontend.c) and addrconf make them.
func localEntries(link stack.Interface, p netip.Prefix) []entry {
	addr := p.Addr()
	host := netip.PrefixFrom(addr, addr.BitLen())
	own := entry{
		table: unix.RT_TABLE_LOCAL, proto: unix.RTPROT_KERNEL, typ: unix.RTN_LOCAL, dst: host, nic: link.Index,
	}
	if addr.Is6() {
		return []entry{own}
	}
	own.scope, own.src = unix.RT_SCOPE_HOST, addr
	all := []entry{own}
	if link.Loopback && p.Bits() < addr.BitLen() {
		network := own
		network.dst = p.Masked()
		all = append(all, network)
	}
	if p.Bits() <= 30 {
		last := own
		last.dst, last.typ, last.scope = netip.PrefixFrom(netdev.Last(p), addr.BitLen()), unix.RTN_BROADCAST, unix.RT_SCOPE_LINK
		all = append(all, last)
	}
	return all
}

func multicastEntry(link stack.Interface) entry {
	return entry{
		table: unix.RT_TABLE_LOCAL, proto: unix.RTPROT_KERNEL, typ: unix.RTN_MULTICAST,
		dst: netip.MustParsePrefix("ff00::/8"), nic: link.Index, metric: metricAddrconf,
	}
}

// trieOrder is that of an IPv4 table: by address, the longer prefix first.
func trieOrder(a, b entry) int {
	if c := a.dst.Addr().Compare(b.dst.Addr()); c != 0 {
		return c
	}
	return b.dst.Bits() - a.dst.Bits()
}

// treeOrder is that of an IPv6 table: a prefix comes behind those within it,
// else by address, then by metric.
func treeOrder(a, b entry) int {
	switch {
	case a.dst != b.dst && a.dst.Contains(b.dst.Addr()) && a.dst.Bits() < b.dst.Bits():
		return 1
	case a.dst != b.dst && b.dst.Contains(a.dst.Addr()) && b.dst.Bits() < a.dst.Bits():
		return -1
	}
	if c := a.dst.Addr().Compare(b.dst.Addr()); c != 0 {
		return c
	}
	return int(a.metric) - int(b.metric)
}

// match finds the row for address dst as the default rules do: the local table
// before the main one, in each the longest prefix, then the least metric. With
// nic, only rows of that interface count.
func match(table []entry, dst netip.Addr, nic int32) (entry, bool) {
	for _, id := range []uint8{unix.RT_TABLE_LOCAL, unix.RT_TABLE_MAIN} {
		var best entry
		found := false
		for _, e := range table {
			if e.table != id || nic != 0 && e.nic != nic || !e.dst.Contains(dst) {
				continue
			}
			if !found || e.dst.Bits() > best.dst.Bits() || e.dst.Bits() == best.dst.Bits() && e.metric < best.metric {
				best, found = e, true
			}
		}
		if found {
			return best, true
		}
	}
	return entry{}, false
}
