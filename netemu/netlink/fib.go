package netlink

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

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
