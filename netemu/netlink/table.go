package netlink

import (
	"net/netip"

	"netbox/netemu/stack"
)

// TableRow is one row of a routing table, as RTM_GETROUTE dumps it, for those
// who tell it otherwise (/proc/net/route).
type TableRow struct {
	Table, Type uint8 // RT_TABLE_*, RTN_*
	Dst         netip.Prefix
	Gateway     netip.Addr // invalid: on link
	NIC         int32
	Metric      uint32
}

// Tables lists the main table and then the local one, of one IP version, each
// in the order in which Linux dumps it.
func Tables(interfaces []stack.Interface, routes []stack.Route, is4 bool) []TableRow {
	r := request{interfaces: interfaces, routes: routes}
	var rows []TableRow
	for _, e := range r.fib(is4) {
		rows = append(rows, TableRow{Table: e.table, Type: e.typ, Dst: e.dst, Gateway: e.gateway, NIC: e.nic, Metric: e.metric})
	}
	return rows
}
