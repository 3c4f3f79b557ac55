package netlink

import (
	"encoding/binary"

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
func dumpNetconf(r *request) (rows, *refusal) {
	if r.strict && len(r.body) > align(sizeofNetconfmsg) {
		return rows{}, refuse(unix.EINVAL, "Invalid data after header in netconf dump request")
	}
	var answer rows
	for _, link := range r.interfaces {
		answer.list = append(answer.list, netconfRow(r.body[0], link.Index))
	}
	for _, index := range []int32{netconfaIfindexAll, netconfaIfindexFuture} {
		answer.list = append(answer.list, netconfRow(r.body[0], index))
	}
	return answer, nil
}

// getNetconf answers for one interface, or for all or new ones.
func getNetconf(r *request) (row, *refusal) {
	attrs, failure := parse(r.body[min(align(sizeofNetconfmsg), len(r.body)):], netconfaMax, r.strict)
	if failure != nil {
		return row{}, failure
	}
	index, failure := attrs.uint32(netconfaIfindex)
	if failure != nil {
		return row{}, failure
	}
	if _, ok := attrs[netconfaIfindex]; !ok {
		return row{}, refuse(unix.EINVAL, "")
	}
	switch int32(index) {
	case netconfaIfindexAll, netconfaIfindexFuture:
	default:
		if _, ok := r.byIndex(int32(index)); !ok {
			return row{}, refuse(unix.ENODEV, "")
		}
	}
	return netconfRow(r.body[0], int32(index)), nil
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

// getNSID answers a RTM_GETNSID, as rtnl_net_getid does when no id was given
// to the namespace asked for: NETNSA_NSID_NOT_ASSIGNED. The namespace itself
// (NETNSA_PID, NETNSA_FD) is not looked at.
func getNSID(r *request) (row, *refusal) {
	const (
		netnsaNSID        = 1
		netnsaPID         = 2
		netnsaFD          = 3
		netnsaMax         = 5
		netnsaNotAssigned = -1
	)
	attrs, failure := parse(r.body[min(align(unix.SizeofRtGenmsg), len(r.body)):], netnsaMax, r.strict)
	if failure != nil {
		return row{}, failure
	}
	if attrs[netnsaPID] == nil && attrs[netnsaFD] == nil && attrs[netnsaNSID] == nil {
		return row{}, refuse(unix.EINVAL, "Peer netns reference is missing")
	}
	b := encode(func(ae *nl.AttributeEncoder) { ae.Int32(netnsaNSID, netnsaNotAssigned) })
	return row{unix.RTM_NEWNSID, append(padded([]byte{unix.AF_UNSPEC}), b...)}, nil
}

// getNeigh answers a RTM_GETNEIGH for one neighbour, as neigh_get does when it
// does not know it: the table is empty.
func getNeigh(r *request) (row, *refusal) {
	if len(r.body) < unix.SizeofNdMsg {
		return row{}, refuse(unix.EINVAL, "Invalid header for neighbor get request")
	}
	attrs, failure := parse(r.body[unix.SizeofNdMsg:], unix.NDA_IFINDEX, r.strict)
	if failure != nil {
		return row{}, failure
	}
	index := int32(binary.NativeEndian.Uint32(r.body[4:]))
	if r.body[0] == unix.AF_UNSPEC || attrs[unix.NDA_DST] == nil {
		return row{}, refuse(unix.EINVAL, "Network address not specified")
	}
	if _, ok := r.byIndex(index); index != 0 && !ok {
		return row{}, refuse(unix.ENODEV, "Unknown device ifindex")
	}
	return row{}, refuse(unix.ENOENT, "Neighbour entry not found")
}
