package netlink

import (
	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Attributes of RTM_NEWNETCONF and the indices that stand for all interfaces
// and for new ones (<linux/netconf.h>).
const (
	netconfaIfindex       = 1
	netconfaForwarding    = 2
	netconfaRPFilter      = 3
	netconfaMCForwarding  = 4
	netconfaProxyNeigh    = 5
	netconfaIgnoreDown    = 6
	netconfaBCForwarding  = 8
	netconfaMax           = 8
	netconfaIfindexAll    = -1
	netconfaIfindexFuture = -2

	sizeofNetconfmsg = 1
)

// dumpNetconf answers a RTM_GETNETCONF dump of one family, as
// inet_netconf_dump_devconf does: nothing is forwarded or filtered.
func dumpNetconf(family uint8) func(*request) (rows, *refusal) {
	return func(r *request) (rows, *refusal) {
		if r.strict && len(r.body) > align(sizeofNetconfmsg) {
			return rows{}, refuse(unix.EINVAL, "Invalid data after header in netconf dump request")
		}
		var answer rows
		for _, link := range r.interfaces {
			answer.list = append(answer.list, netconfRow(family, link.Index))
		}
		for _, index := range []int32{netconfaIfindexAll, netconfaIfindexFuture} {
			answer.list = append(answer.list, netconfRow(family, index))
		}
		return answer, nil
	}
}

// getNetconf answers for one interface, or for all or new ones.
func getNetconf(family uint8) func(*request) (row, *refusal) {
	return func(r *request) (row, *refusal) {
		attrs, failure := parse(r.body[min(align(sizeofNetconfmsg), len(r.body)):], netconfaMax, r.strict)
		if failure != nil {
			return row{}, failure
		}
		word, failure := attrs.uint32(netconfaIfindex)
		if failure != nil {
			return row{}, failure
		}
		if _, ok := attrs[netconfaIfindex]; !ok {
			return row{}, refuse(unix.EINVAL, "")
		}
		index := int32(word)
		if _, ok := r.byIndex(index); !ok && index != netconfaIfindexAll && index != netconfaIfindexFuture {
			return row{}, refuse(unix.ENODEV, "")
		}
		return netconfRow(family, index), nil
	}
}

func netconfRow(family uint8, index int32) row {
	settings := []uint16{netconfaForwarding, netconfaRPFilter, netconfaMCForwarding, netconfaBCForwarding, netconfaProxyNeigh, netconfaIgnoreDown}
	if family == unix.AF_INET6 {
		settings = []uint16{netconfaForwarding, netconfaMCForwarding, netconfaProxyNeigh, netconfaIgnoreDown}
	}
	attrs := encode(func(ae *nl.AttributeEncoder) {
		ae.Int32(netconfaIfindex, index)
		for _, typ := range settings {
			ae.Int32(typ, 0)
		}
	})
	return row{unix.RTM_NEWNETCONF, append(padded([]byte{family}), attrs...)}
}
