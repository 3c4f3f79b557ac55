package rtnl

import (
	"cmp"
	"slices"

	"netbox/netemu/stack"
)

// Dump lists the rows of one IP version as RTM_GETROUTE tells them, in the order
// in which Linux walks through them.
func Dump(routes []stack.Route, is4 bool) []stack.Route {
	var all []stack.Route
	for _, row := range routes {
		if row.Dst.Addr().Is4() == is4 {
			all = append(all, row)
		}
	}
	slices.SortStableFunc(all, dumpOrder)
	return all
}

// dumpOrder is the order in which Linux walks through the rows of a family: the
// tables by the low byte of their number, which is what they are hashed by, and
// each as its trie has it.
func dumpOrder(a, b stack.Route) int {
	if c := cmp.Compare(uint8(a.Table), uint8(b.Table)); c != 0 {
		return c
	}
	if a.Dst.Addr().Is4() {
		return trieOrder(a, b)
	}
	return treeOrder(a, b)
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
