package netlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"netbox/netemu/netdev"
	"netbox/netemu/stack"
)

// linkNames are the attributes by which one link is asked for.
var linkNames = []uint16{unix.IFLA_IFNAME, unix.IFLA_ALT_IFNAME}

// getLink answers a RTM_GETLINK without NLM_F_DUMP, as rtnl_getlink does: one
// link by ifi_index or else by name.
func getLink(r *request) (row, *refusal) {
	index, attrs, failure := parseLinkRequest(r, "get link")
	if failure != nil {
		return row{}, failure
	}
	allowed := append([]uint16{unix.IFLA_EXT_MASK, unix.IFLA_TARGET_NETNSID}, linkNames...)
	if failure := attrs.only("Unsupported attribute in get link request", allowed...); r.strict && failure != nil {
		return row{}, failure
	}
	mask, failure := attrs.uint32(unix.IFLA_EXT_MASK)
	if failure != nil {
		return row{}, failure
	}
	if _, ok := attrs[unix.IFLA_TARGET_NETNSID]; ok {
		return row{}, refuse(unix.EINVAL, "Invalid target network namespace id")
	}
	link, failure := r.findLink(index, attrs)
	if failure != nil {
		return row{}, failure
	}
	return linkRow(link, mask), nil
}

// findLink finds the link that a request means. ENODEV: there is none. EINVAL:
// the request names none.
func (r *request) findLink(index int32, attrs attributes) (stack.Interface, *refusal) {
	if index > 0 {
		if link, ok := r.byIndex(index); ok {
			return link, nil
		}
		return stack.Interface{}, refuse(unix.ENODEV, "")
	}
	for _, typ := range linkNames {
		if _, ok := attrs[typ]; !ok {
			continue
		}
		for _, link := range r.interfaces {
			if link.Name == attrs.text(typ) {
				return link, nil
			}
		}
		return stack.Interface{}, refuse(unix.ENODEV, "")
	}
	return stack.Interface{}, refuse(unix.EINVAL, "")
}

func (r *request) byIndex(index int32) (stack.Interface, bool) {
	for _, link := range r.interfaces {
		if link.Index == index {
			return link, true
		}
	}
	return stack.Interface{}, false
}

// dumpLinks answers a RTM_GETLINK dump, as rtnl_dump_ifinfo does. There are no
// masters and no kinds of link, so a filter by these leaves nothing.
func dumpLinks(r *request) (rows, *refusal) {
	index, attrs, failure := parseLinkRequest(r, "link dump")
	if failure != nil {
		return rows{}, failure
	}
	if r.strict && index != 0 {
		return rows{}, refuse(unix.EINVAL, "Filter by device index not supported for link dumps")
	}
	failure = attrs.only("Unsupported attribute in link dump request",
		unix.IFLA_EXT_MASK, unix.IFLA_TARGET_NETNSID, unix.IFLA_MASTER, unix.IFLA_LINKINFO)
	if r.strict && failure != nil {
		return rows{}, failure
	}
	if _, ok := attrs[unix.IFLA_TARGET_NETNSID]; ok {
		return rows{}, refuse(unix.EINVAL, "Invalid target network namespace id")
	}
	mask, failure := attrs.uint32(unix.IFLA_EXT_MASK)
	if failure != nil {
		return rows{}, failure
	}
	if len(attrs[unix.IFLA_MASTER]) > 0 || len(attrs[unix.IFLA_LINKINFO]) > 0 {
		return rows{}, nil
	}
	var answer rows
	for _, link := range r.interfaces {
		answer.list = append(answer.list, linkRow(link, mask))
	}
	return answer, nil
}

// parseLinkRequest reads the ifinfomsg and attributes of a RTM_GETLINK. A
// request that is not strict may have just the rtgenmsg, followed by
// attributes.
func parseLinkRequest(r *request, what string) (index int32, attrs attributes, failure *refusal) {
	if len(r.body) < unix.SizeofIfInfomsg {
		if r.strict {
			return 0, nil, refuse(unix.EINVAL, "Invalid header for "+what)
		}
		attrs, failure = parse(r.body[min(align(unix.SizeofRtGenmsg), len(r.body)):], iflaMax, false)
		return 0, attrs, failure
	}
	ne := binary.NativeEndian
	if r.strict && (r.body[1] != 0 || ne.Uint16(r.body[2:]) != 0 || ne.Uint64(r.body[8:]) != 0) {
		return 0, nil, refuse(unix.EINVAL, "Invalid values in header for "+what+" request")
	}
	attrs, failure = parse(r.body[unix.SizeofIfInfomsg:], iflaMax, r.strict)
	return int32(ne.Uint32(r.body[4:])), attrs, failure
}

// ifinfomsg is the header of a link's row; ifi_change is 0 but in notifications.
func ifinfomsg(family uint8, link stack.Interface) []byte {
	ne := binary.NativeEndian
	b := []byte{family, 0}
	b = ne.AppendUint16(b, netdev.HardwareType(link))
	b = ne.AppendUint32(b, uint32(link.Index))
	b = ne.AppendUint32(b, netdev.Flags(link))
	return ne.AppendUint32(b, 0)
}

// putChange stores ifi_change in a link's row.
func putChange(b []byte, flags uint32) { binary.NativeEndian.PutUint32(b[12:], flags) }
