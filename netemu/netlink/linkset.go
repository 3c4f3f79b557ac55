package netlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
)

// unsupportedLink are the attributes of links that a program may set on Linux
// and not here.
var unsupportedLink = map[uint16]string{
	unix.IFLA_MASTER: "netbox: no masters", unix.IFLA_NET_NS_FD: "netbox: no other network namespaces",
	unix.IFLA_NET_NS_PID: "netbox: no other network namespaces", unix.IFLA_AF_SPEC: "netbox: fixed settings of address families",
	unix.IFLA_XDP: "netbox: no XDP", unix.IFLA_CARRIER: "netbox: the carrier is fixed", unix.IFLA_OPERSTATE: "netbox: the operational state is fixed",
	unix.IFLA_LINKMODE: "netbox: the link mode is fixed", unix.IFLA_VFINFO_LIST: "netbox: no virtual functions",
	unix.IFLA_PROTO_DOWN: "netbox: no protocol down", unix.IFLA_BROADCAST: "netbox: the broadcast address is fixed",
	unix.IFLA_MAP: "netbox: no device maps", unix.IFLA_GSO_MAX_SIZE: "netbox: offloads are fixed", unix.IFLA_GSO_MAX_SEGS: "netbox: offloads are fixed",
}

// newLink is rtnl_newlink (net/core/rtnetlink.c): a change of the link that is
// named, or a new one.
func newLink(r *request) *refusal {
	index, attrs, failure := parseLinkSet(r)
	if failure != nil {
		return failure
	}
	link, notFound := r.findLink(index, attrs)
	if notFound == nil {
		if r.by.Flags&unix.NLM_F_EXCL != 0 {
			return refuse(unix.EEXIST, "")
		}
		return changeLink(r, link.Index, attrs)
	}
	if r.by.Flags&unix.NLM_F_CREATE == 0 {
		if notFound.Errno == unix.EINVAL {
			return refuse(unix.ENODEV, "")
		}
		return notFound
	}
	return createLink(r, index, attrs)
}

// setLink is rtnl_setlink.
func setLink(r *request) *refusal {
	index, attrs, failure := parseLinkSet(r)
	if failure != nil {
		return failure
	}
	link, failure := r.findLink(index, attrs)
	if failure != nil {
		return failure
	}
	return changeLink(r, link.Index, attrs)
}

// deleteLink is rtnl_dellink.
func deleteLink(r *request) *refusal {
	index, attrs, failure := parseLinkSet(r)
	if failure != nil {
		return failure
	}
	link, failure := r.findLink(index, attrs)
	if failure != nil {
		return failure
	}
	return r.host.DeleteLink(r.by, link.Index)
}

func parseLinkSet(r *request) (int32, attributes, *refusal) {
	if len(r.body) < unix.SizeofIfInfomsg {
		return 0, nil, errShortHeader
	}
	attrs, failure := parse(r.body[unix.SizeofIfInfomsg:], iflaMax, false)
	if failure == nil && len(attrs.text(unix.IFLA_IFNAME)) >= unix.IFNAMSIZ {
		failure = errPolicy
	}
	index := int32(binary.NativeEndian.Uint32(r.body[4:]))
	if failure == nil && index < 0 {
		failure = refuse(unix.EINVAL, "ifindex can't be negative")
	}
	return index, attrs, failure
}

// changeLink hands the settings of a request over.
func changeLink(r *request, index int32, attrs attributes) *refusal {
	for typ, words := range unsupportedLink {
		if _, ok := attrs[typ]; ok {
			return refuse(unix.EOPNOTSUPP, words)
		}
	}
	l, failure := parseLinkChange(r, attrs)
	if failure != nil {
		return failure
	}
	return r.host.SetLink(r.by, index, l)
}

func parseLinkChange(r *request, attrs attributes) (rtnl.LinkChange, *refusal) {
	l := rtnl.LinkChange{HardwareAddr: attrs[unix.IFLA_ADDRESS]}
	for typ, into := range map[uint16]**uint32{
		unix.IFLA_MTU: &l.MTU, unix.IFLA_GROUP: &l.Group, unix.IFLA_TXQLEN: &l.TxQueueLen,
	} {
		v, failure := attrs.uint32(typ)
		if failure != nil {
			return l, failure
		}
		if _, ok := attrs[typ]; ok {
			*into = &v
		}
	}
	if name := attrs.text(unix.IFLA_IFNAME); name != "" {
		l.Name = &name
	}
	if b, ok := attrs[unix.IFLA_IFALIAS]; ok {
		alias := attrs.text(unix.IFLA_IFALIAS)
		if len(b) > maxAlias {
			return l, refuse(unix.EINVAL, "")
		}
		l.Alias = &alias
	}
	// rtnl_dev_get_flags: no mask means all flags, if any is told.
	l.Flags, l.Mask = binary.NativeEndian.Uint32(r.body[8:]), binary.NativeEndian.Uint32(r.body[12:])
	if l.Mask == 0 && l.Flags != 0 {
		l.Mask = ^uint32(0)
	}
	return l, nil
}

// maxAlias is IFALIASZ (<linux/if.h>), in bytes.
const maxAlias = 256

// createLink makes a link of the kind that IFLA_LINKINFO tells.
func createLink(r *request, index int32, attrs attributes) *refusal {
	info, failure := parse(attrs[unix.IFLA_LINKINFO], iflaInfoMax, false)
	if failure != nil {
		return failure
	}
	kind := info.text(unix.IFLA_INFO_KIND)
	if kind != rtnl.Dummy {
		if kind != "" {
			r.missing("link of type " + kind)
		}
		return refuse(unix.EOPNOTSUPP, "Unknown device type")
	}
	l, failure := parseLinkChange(r, attrs)
	if failure != nil {
		return failure
	}
	return r.host.AddDummy(r.by, index, l)
}

// iflaInfoMax is IFLA_INFO_MAX (<linux/if_link.h>).
const iflaInfoMax = 5
