package netlink

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// fib lists the tables of one family in the order in which Linux dumps them: by
// the low byte of their number, which is what they are hashed by.
func (r *request) fib(is4 bool) []stack.Route {
	order := trieOrder
	if !is4 {
		order = treeOrder
	}
	var all []stack.Route
	for _, row := range r.routes {
		if row.Dst.Addr().Is4() == is4 {
			all = append(all, row)
		}
	}
	slices.SortStableFunc(all, func(a, b stack.Route) int {
		return cmp.Or(cmp.Compare(uint8(a.Table), uint8(b.Table)), order(a, b))
	})
	return all
}

// trieOrder is that of an IPv4 table: by address, the longer prefix first, then
// the greater TOS and the less metric.
func trieOrder(a, b stack.Route) int {
	return cmp.Or(a.Dst.Addr().Compare(b.Dst.Addr()), b.Dst.Bits()-a.Dst.Bits(), int(b.TOS)-int(a.TOS), cmp.Compare(a.Metric, b.Metric))
}

// treeOrder is that of an IPv6 table: a prefix comes behind those within it,
// else by address, then by metric.
func treeOrder(a, b stack.Route) int {
	switch {
	case a.Dst != b.Dst && a.Dst.Contains(b.Dst.Addr()) && a.Dst.Bits() < b.Dst.Bits():
		return 1
	case a.Dst != b.Dst && b.Dst.Contains(a.Dst.Addr()) && b.Dst.Bits() < a.Dst.Bits():
		return -1
	}
	if c := a.Dst.Addr().Compare(b.Dst.Addr()); c != 0 {
		return c
	}
	return cmp.Compare(a.Metric, b.Metric)
}

// match finds the row for address dst as the default rules do: the local table
// before the main one, in each the longest prefix, then the least metric. With
// nic, only rows of that interface count. A row of RTN_THROW ends a table.
func match(table []stack.Route, dst netip.Addr, nic int32) (stack.Route, bool) {
	for _, id := range []uint32{unix.RT_TABLE_LOCAL, unix.RT_TABLE_MAIN, unix.RT_TABLE_DEFAULT} {
		var best stack.Route
		found := false
		for _, e := range table {
			if e.Table != id || nic != 0 && e.NIC != nic || e.TOS != 0 || !e.Dst.Contains(dst) {
				continue
			}
			if !found || e.Dst.Bits() > best.Dst.Bits() || e.Dst.Bits() == best.Dst.Bits() && e.Metric < best.Metric {
				best, found = e, true
			}
		}
		if found && best.Type != unix.RTN_THROW {
			return best, true
		}
	}
	return stack.Route{}, false
}
