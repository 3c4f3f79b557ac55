package netlink

import (
	"strconv"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// request is one RTM_GET* message with a snapshot of the host.
type request struct {
	header     nl.Header
	body       []byte // behind the nlmsghdr
	strict     bool   // NETLINK_GET_STRICT_CHK
	interfaces []stack.Interface
	routes     []stack.Route
}

// row is one message of an answer.
type row struct {
	typ  uint16
	data []byte // header of the type, then attributes
}

// rows is the answer to a dump; filtered says that not everything was asked
// for (NLM_F_DUMP_FILTERED).
type rows struct {
	list     []row
	filtered bool
}

// handler answers the requests of one type for one address family. A nil
// function is a form that Linux does not have either: EOPNOTSUPP.
type handler struct {
	get  func(r *request) (row, *refusal)
	dump func(r *request) (rows, *refusal)
}

type target struct {
	family uint8
	typ    uint16
}

// handlers are the requests that are answered, as rtnl_register has them in
// Linux. AF_UNSPEC stands in for families that have no row.
var handlers = map[target]handler{
	{unix.AF_UNSPEC, unix.RTM_GETLINK}:    {getLink, dumpLinks},
	{unix.AF_INET6, unix.RTM_GETLINK}:     {nil, dumpLinks6},
	{unix.AF_UNSPEC, unix.RTM_GETADDR}:    {nil, dumpAll(dumpAddrs4, dumpAddrs6)},
	{unix.AF_INET, unix.RTM_GETADDR}:      {nil, dumpAddrs4},
	{unix.AF_INET6, unix.RTM_GETADDR}:     {getAddr6, dumpAddrs6},
	{unix.AF_UNSPEC, unix.RTM_GETROUTE}:   {nil, dumpAll(dumpRoutes4, dumpRoutes6)},
	{unix.AF_INET, unix.RTM_GETROUTE}:     {getRoute4, dumpRoutes4},
	{unix.AF_INET6, unix.RTM_GETROUTE}:    {getRoute6, dumpRoutes6},
	{unix.AF_UNSPEC, unix.RTM_GETRULE}:    {nil, dumpRules},
	{unix.AF_UNSPEC, unix.RTM_GETNEIGH}:   {getNeigh, dumpNone(unix.SizeofNdMsg)},
	{unix.AF_UNSPEC, unix.RTM_GETNSID}:    {getNSID, dumpNone(0)},
	{unix.AF_UNSPEC, unix.RTM_GETNETCONF}: {nil, dumpAll(dumpNetconf(unix.AF_INET), dumpNetconf(unix.AF_INET6))},
	{unix.AF_INET, unix.RTM_GETNETCONF}:   {getNetconf(unix.AF_INET), dumpNetconf(unix.AF_INET)},
	{unix.AF_INET6, unix.RTM_GETNETCONF}:  {getNetconf(unix.AF_INET6), dumpNetconf(unix.AF_INET6)},
	{unix.AF_UNSPEC, unix.RTM_GETQDISC}:   {nil, dumpQdiscs},
	{unix.AF_UNSPEC, unix.RTM_GETTCLASS}:  {nil, dumpNone(sizeofTcmsg)},
	{unix.AF_UNSPEC, unix.RTM_GETTFILTER}: {nil, dumpNone(sizeofTcmsg)},
	{unix.AF_UNSPEC, unix.RTM_GETCHAIN}:   {nil, dumpNone(sizeofTcmsg)},
	{unix.AF_UNSPEC, unix.RTM_GETNEXTHOP}: {getNexthop, dumpNexthops},
}

// Kinds of request, the low bits of a message type (rtnl_msgtype_kind).
const (
	kindMask = 3
	kindGet  = 2
)

// dispatchRoute hands a request to its handler, as rtnetlink_rcv_msg does
// (net/core/rtnetlink.c). Dumped says that it was a dump, which is not
// acknowledged: it ends with NLMSG_DONE.
func (x *exchange) dispatchRoute(m nl.Message) (dumped bool, failure *refusal) {
	typ := uint16(m.Header.Type)
	if typ > unix.RTM_MAX {
		x.reportUnknown(typeName(typ), typ)
		return false, refuse(unix.EOPNOTSUPP, "")
	}
	if len(m.Data) < unix.SizeofRtGenmsg {
		return false, nil
	}
	if typ&kindMask != kindGet {
		return false, refuse(unix.EPERM, "netbox: the network configuration of the sandbox is fixed")
	}
	family := m.Data[0]
	r := &request{header: m.Header, body: m.Data, strict: x.strict}
	if m.Header.Flags&unix.NLM_F_DUMP != 0 {
		h := lookup(family, typ, func(h handler) bool { return h.dump != nil })
		if h.dump == nil {
			x.reportUnknown(typeName(typ), typ)
			return false, refuse(unix.EOPNOTSUPP, "")
		}
		x.observe(r)
		answer, failure := h.dump(r)
		x.dump(m.Header, answer, failure)
		return true, nil
	}
	h := lookup(family, typ, func(h handler) bool { return h.get != nil })
	if h.get == nil {
		x.reportUnknown(typeName(typ), typ)
		return false, refuse(unix.EOPNOTSUPP, "")
	}
	x.observe(r)
	answer, failure := h.get(r)
	if failure == nil {
		x.put(x.message(m.Header, answer.typ, 0, answer.data))
	}
	return false, failure
}

// lookup finds the handler for a family that has the form wanted, or the one
// for AF_UNSPEC.
func lookup(family uint8, typ uint16, has func(handler) bool) handler {
	if h := handlers[target{family, typ}]; has(h) {
		return h
	}
	return handlers[target{unix.AF_UNSPEC, typ}]
}

func (x *exchange) observe(r *request) {
	r.interfaces = x.server.source.Interfaces()
	r.routes = x.server.source.Routes()
}

func (x *exchange) reportUnknown(name string, typ uint16) {
	if x.unknown != nil {
		x.unknown(name, int(typ))
	}
}

// objects are what message types are about, four types each from RTM_BASE on
// (<linux/rtnetlink.h>).
var objects = []string{
	"LINK", "ADDR", "ROUTE", "NEIGH", "RULE", "QDISC", "TCLASS", "TFILTER", "ACTION", "PREFIX", "MULTICAST",
	"ANYCAST", "NEIGHTBL", "NDUSEROPT", "ADDRLABEL", "DCB", "NETCONF", "MDB", "NSID", "STATS", "CACHEREPORT",
	"CHAIN", "NEXTHOP", "LINKPROP", "VLAN", "NEXTHOPBUCKET", "TUNNEL",
}

func typeName(typ uint16) string {
	object := int(typ-unix.RTM_BASE) / (kindMask + 1)
	if typ < unix.RTM_BASE || object >= len(objects) {
		return "RTM type " + strconv.Itoa(int(typ))
	}
	return "RTM_" + [...]string{"NEW", "DEL", "GET", "SET"}[typ&kindMask] + objects[object]
}
