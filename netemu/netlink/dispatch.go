package netlink

import (
	"strconv"
	"strings"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// request is one message with a snapshot of the host.
type request struct {
	header     nl.Header
	body       []byte // behind the nlmsghdr
	strict     bool   // NETLINK_GET_STRICT_CHK
	host       *rtnl.Host
	by         rtnl.Request
	missing    func(what string) // counts what a handler does not know
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
	set  func(r *request) *refusal
}

type target struct {
	family uint8
	typ    uint16
}

// handlers are the requests that are answered, as rtnl_register has them in
// Linux. AF_UNSPEC stands in for families that have no row.
var handlers = map[target]handler{
	{unix.AF_UNSPEC, unix.RTM_GETLINK}:    {get: getLink, dump: dumpLinks},
	{unix.AF_INET6, unix.RTM_GETLINK}:     {dump: dumpLinks6},
	{unix.AF_UNSPEC, unix.RTM_GETADDR}:    {dump: dumpAll(dumpAddrs4, dumpAddrs6)},
	{unix.AF_INET, unix.RTM_GETADDR}:      {dump: dumpAddrs4},
	{unix.AF_INET6, unix.RTM_GETADDR}:     {get: getAddr6, dump: dumpAddrs6},
	{unix.AF_UNSPEC, unix.RTM_GETROUTE}:   {dump: dumpAll(dumpRoutes4, dumpRoutes6)},
	{unix.AF_INET, unix.RTM_GETROUTE}:     {get: getRoute4, dump: dumpRoutes4},
	{unix.AF_INET6, unix.RTM_GETROUTE}:    {get: getRoute6, dump: dumpRoutes6},
	{unix.AF_UNSPEC, unix.RTM_GETRULE}:    {dump: dumpRules},
	{unix.AF_UNSPEC, unix.RTM_GETNEIGH}:   {get: getNeigh, dump: dumpNone(unix.SizeofNdMsg)},
	{unix.AF_UNSPEC, unix.RTM_GETNSID}:    {get: getNSID, dump: dumpNone(0)},
	{unix.AF_UNSPEC, unix.RTM_GETNETCONF}: {dump: dumpAll(dumpNetconf(unix.AF_INET), dumpNetconf(unix.AF_INET6))},
	{unix.AF_INET, unix.RTM_GETNETCONF}:   {get: getNetconf(unix.AF_INET), dump: dumpNetconf(unix.AF_INET)},
	{unix.AF_INET6, unix.RTM_GETNETCONF}:  {get: getNetconf(unix.AF_INET6), dump: dumpNetconf(unix.AF_INET6)},
	{unix.AF_UNSPEC, unix.RTM_GETQDISC}:   {dump: dumpQdiscs},
	{unix.AF_UNSPEC, unix.RTM_GETTCLASS}:  {dump: dumpNone(sizeofTcmsg)},
	{unix.AF_UNSPEC, unix.RTM_GETTFILTER}: {dump: dumpNone(sizeofTcmsg)},
	{unix.AF_UNSPEC, unix.RTM_GETCHAIN}:   {dump: dumpNone(sizeofTcmsg)},
	{unix.AF_UNSPEC, unix.RTM_GETNEXTHOP}: {get: getNexthop, dump: dumpNexthops},

	{unix.AF_UNSPEC, unix.RTM_NEWLINK}: {set: newLink},
	{unix.AF_UNSPEC, unix.RTM_SETLINK}: {set: setLink},
	{unix.AF_UNSPEC, unix.RTM_DELLINK}: {set: deleteLink},
	{unix.AF_INET, unix.RTM_NEWADDR}:   {set: newAddr4},
	{unix.AF_INET, unix.RTM_DELADDR}:   {set: deleteAddr4},
	{unix.AF_INET6, unix.RTM_NEWADDR}:  {set: newAddr6},
	{unix.AF_INET6, unix.RTM_DELADDR}:  {set: deleteAddr6},
	{unix.AF_INET, unix.RTM_NEWROUTE}:  {set: newRoute4},
	{unix.AF_INET, unix.RTM_DELROUTE}:  {set: deleteRoute4},
	{unix.AF_INET6, unix.RTM_NEWROUTE}: {set: newRoute6},
	{unix.AF_INET6, unix.RTM_DELROUTE}: {set: deleteRoute6},
}

// Kinds of request, the low bits of a message type (rtnl_msgtype_kind).
const (
	kindMask   = 3
	kindDelete = 1
	kindGet    = 2
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
	family := m.Data[0]
	r := &request{
		header: m.Header, body: m.Data, strict: x.strict, host: x.server.host,
		by:      rtnl.Request{Port: x.port, Sequence: m.Header.Sequence, Flags: uint16(m.Header.Flags)},
		missing: func(what string) { x.reportUnknown(what, typ) },
	}
	if typ&kindMask != kindGet {
		return false, x.set(r, target{family, typ})
	}
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
	return false, x.get(r, target{family, typ})
}

// get hands a request for one object to its handler.
func (x *exchange) get(r *request, t target) *refusal {
	h := lookup(t.family, t.typ, func(h handler) bool { return h.get != nil })
	if h.get == nil {
		x.reportUnknown(typeName(t.typ), t.typ)
		return refuse(unix.EOPNOTSUPP, "")
	}
	x.observe(r)
	answer, failure := h.get(r)
	if failure == nil {
		x.put(x.message(r.header, answer.typ, 0, answer.data))
	}
	return failure
}

// nlmFBulk is NLM_F_BULK (<linux/netlink.h>).
const nlmFBulk = 0x200

// set hands a request that changes something to its handler.
func (x *exchange) set(r *request, t target) *refusal {
	if !x.privileged() {
		return refuse(unix.EPERM, "")
	}
	h := lookup(t.family, t.typ, func(h handler) bool { return h.set != nil })
	switch {
	case h.set == nil:
		r.missing(typeName(t.typ))
		return refuse(unix.EOPNOTSUPP, "")
	case t.typ&kindMask == kindDelete && r.header.Flags&nlmFBulk != 0:
		return refuse(unix.EOPNOTSUPP, "Bulk delete is not supported")
	}
	x.observe(r)
	failure := h.set(r)
	if failure != nil && strings.HasPrefix(failure.Reason, "netbox: ") {
		r.missing(failure.Reason)
	}
	return failure
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
	r.interfaces = x.server.host.Interfaces()
	r.routes = x.server.host.Routes()
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
