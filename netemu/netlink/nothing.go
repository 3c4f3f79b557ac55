package netlink

import (
	"encoding/binary"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What Linux has tables for and the sandbox's host has nothing in: neighbours
// (the link has no addresses to resolve), ids of namespaces, nexthop objects.

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
	if index == 0 {
		return row{}, refuse(unix.EINVAL, "No device specified")
	}
	if _, ok := r.byIndex(index); !ok {
		return row{}, refuse(unix.ENODEV, "Unknown device ifindex")
	}
	if attrs[unix.NDA_DST] == nil {
		return row{}, refuse(unix.EINVAL, "Network address not specified")
	}
	return row{}, refuse(unix.ENOENT, "Neighbour entry not found")
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

// Nexthop objects (<linux/nexthop.h>): the size of struct nhmsg in bytes, the
// attribute with an object's id, and NHA_MAX.
const (
	sizeofNhmsg = 8
	nhaID       = 1
	nhaMax      = 18
)

// dumpNexthops answers a RTM_GETNEXTHOP dump, as rtm_dump_nexthop does, which
// is strict always.
func dumpNexthops(r *request) (rows, *refusal) {
	_, failure := parseNexthop(r)
	return rows{}, failure
}

// getNexthop answers a RTM_GETNEXTHOP for one object, as rtm_get_nexthop does
// when there is none.
func getNexthop(r *request) (row, *refusal) {
	attrs, failure := parseNexthop(r)
	if failure != nil {
		return row{}, failure
	}
	id, failure := attrs.uint32(nhaID)
	switch {
	case failure != nil:
		return row{}, failure
	case attrs[nhaID] == nil:
		return row{}, refuse(unix.EINVAL, "Nexthop id is missing")
	case id == 0:
		return row{}, refuse(unix.EINVAL, "Invalid nexthop id")
	}
	return row{}, refuse(unix.ENOENT, "")
}

func parseNexthop(r *request) (attributes, *refusal) {
	if len(r.body) < sizeofNhmsg {
		return nil, refuse(unix.EINVAL, "Invalid header for nexthop request")
	}
	return parse(r.body[sizeofNhmsg:], nhaMax, true)
}
