package netlink

import (
	"encoding/binary"
	"net/netip"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// ifaProto is IFA_PROTO (<linux/if_addr.h>), ifaMax IFA_MAX of Linux 6.18.
const (
	ifaProto = 11
	ifaMax   = ifaProto
)

// dumpAddrs4 answers a RTM_GETADDR dump of the IPv4 addresses, as
// inet_dump_ifaddr does.
func dumpAddrs4(r *request) (rows, *refusal) { return dumpAddrs(r, netip.Addr.Is4, addrRow4, "ipv4: ") }

// dumpAddrs6 does the same for IPv6, as inet6_dump_ifaddr does.
func dumpAddrs6(r *request) (rows, *refusal) { return dumpAddrs(r, netip.Addr.Is6, addrRow6, "ipv6: ") }

func dumpAddrs(r *request, ours func(netip.Addr) bool, make func(stack.Interface, stack.Address) row, prefix string) (rows, *refusal) {
	var index int32
	if r.strict {
		var failure *refusal
		if index, failure = strictAddrs(r, prefix); failure != nil {
			return rows{}, failure
		}
	}
	answer := rows{filtered: index != 0}
	if _, ok := r.byIndex(index); index != 0 && !ok {
		return answer, refuse(unix.ENODEV, "")
	}
	for _, link := range r.interfaces {
		if index != 0 && link.Index != index {
			continue
		}
		for _, p := range link.Addrs {
			if ours(p.Addr()) {
				answer.list = append(answer.list, make(link, p))
			}
		}
	}
	return answer, nil
}

// strictAddrs judges a strict dump request and returns the interface index
// that it filters by, or 0.
func strictAddrs(r *request, prefix string) (int32, *refusal) {
	if len(r.body) < unix.SizeofIfAddrmsg {
		return 0, refuse(unix.EINVAL, prefix+"Invalid header for address dump request")
	}
	if r.body[1] != 0 || r.body[2] != 0 || r.body[3] != 0 {
		return 0, refuse(unix.EINVAL, prefix+"Invalid values in header for address dump request")
	}
	attrs, failure := parse(r.body[unix.SizeofIfAddrmsg:], ifaMax, true)
	if failure != nil {
		return 0, failure
	}
	if _, ok := attrs[unix.IFA_TARGET_NETNSID]; ok {
		return 0, refuse(unix.EINVAL, prefix+"Invalid target network namespace id")
	}
	return int32(binary.NativeEndian.Uint32(r.body[4:])), attrs.only(prefix + "Unsupported attribute in dump request")
}

// getAddr6 answers a RTM_GETADDR for one IPv6 address, as inet6_rtm_getaddr
// does.
func getAddr6(r *request) (row, *refusal) {
	if len(r.body) < unix.SizeofIfAddrmsg {
		return row{}, refuse(unix.EINVAL, "ipv6: Invalid header for get address request")
	}
	attrs, failure := parse(r.body[unix.SizeofIfAddrmsg:], ifaMax, r.strict)
	if failure != nil {
		return row{}, failure
	}
	wanted := attrs[unix.IFA_ADDRESS]
	if local, ok := attrs[unix.IFA_LOCAL]; ok {
		wanted = local
	}
	addr, ok := netip.AddrFromSlice(wanted)
	if !ok || !addr.Is6() {
		return row{}, refuse(unix.EINVAL, "")
	}
	index := int32(binary.NativeEndian.Uint32(r.body[4:]))
	for _, link := range r.interfaces {
		for _, p := range link.Addrs {
			if p.Addr() == addr && (index == 0 || index == link.Index) {
				return addrRow6(link, p), nil
			}
		}
	}
	return row{}, refuse(unix.EADDRNOTAVAIL, "")
}

func addrRow4(link stack.Interface, a stack.Address) row {
	return addrRow(link, a, unix.AF_INET, func(ae *nl.AttributeEncoder) {
		far := a.Addr()
		if a.Peer.IsValid() {
			far = a.Peer
		}
		ae.Bytes(unix.IFA_ADDRESS, far.AsSlice())
		ae.Bytes(unix.IFA_LOCAL, a.Addr().AsSlice())
		if a.Broadcast.IsValid() {
			ae.Bytes(unix.IFA_BROADCAST, a.Broadcast.AsSlice())
		}
		ae.String(unix.IFA_LABEL, a.Label)
		if a.Protocol != 0 {
			ae.Uint8(ifaProto, a.Protocol)
		}
		ae.Uint32(unix.IFA_FLAGS, a.Flags)
		if a.Metric != 0 {
			ae.Uint32(unix.IFA_RT_PRIORITY, a.Metric)
		}
		ae.Bytes(unix.IFA_CACHEINFO, cacheinfo(a))
	})
}

func addrRow6(link stack.Interface, a stack.Address) row {
	return addrRow(link, a, unix.AF_INET6, func(ae *nl.AttributeEncoder) {
		if a.Peer.IsValid() {
			ae.Bytes(unix.IFA_LOCAL, a.Addr().AsSlice())
			ae.Bytes(unix.IFA_ADDRESS, a.Peer.AsSlice())
		} else {
			ae.Bytes(unix.IFA_ADDRESS, a.Addr().AsSlice())
		}
		if a.Metric != 0 {
			ae.Uint32(unix.IFA_RT_PRIORITY, a.Metric)
		}
		ae.Bytes(unix.IFA_CACHEINFO, cacheinfo(a))
		ae.Uint32(unix.IFA_FLAGS, a.Flags)
		if a.Protocol != 0 {
			ae.Uint8(ifaProto, a.Protocol)
		}
	})
}

func addrRow(link stack.Interface, a stack.Address, family uint8, fill func(*nl.AttributeEncoder)) row {
	b := []byte{family, uint8(a.Bits()), uint8(a.Flags), a.Scope}
	b = binary.NativeEndian.AppendUint32(b, uint32(link.Index))
	return row{unix.RTM_NEWADDR, append(b, encode(fill)...)}
}

// cacheinfo is a struct ifa_cacheinfo (<linux/if_addr.h>), of an address made
// when the host came up.
func cacheinfo(a stack.Address) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, a.Preferred)
	b = ne.AppendUint32(b, a.Valid)
	return ne.AppendUint64(b, 0)
}
