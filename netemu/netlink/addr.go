package netlink

import (
	"encoding/binary"
	"math"
	"net/netip"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/netdev"
	"netbox/netemu/stack"
)

// protoKernelLo is IFAPROT_KERNEL_LO (<linux/if_addr.h>), ifaProto IFA_PROTO.
const (
	ifaProto      = 11
	protoKernelLo = 1
)

// dumpAddrs4 answers a RTM_GETADDR dump of the IPv4 addresses, as
// inet_dump_ifaddr does.
func dumpAddrs4(r *request) (rows, *refusal) { return dumpAddrs(r, netip.Addr.Is4, addrRow4, "ipv4: ") }

// dumpAddrs6 does the same for IPv6, as inet6_dump_ifaddr does.
func dumpAddrs6(r *request) (rows, *refusal) { return dumpAddrs(r, netip.Addr.Is6, addrRow6, "ipv6: ") }

func dumpAddrs(r *request, ours func(netip.Addr) bool, make func(stack.Interface, netip.Prefix) row, prefix string) (rows, *refusal) {
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
	attrs, failure := parse(r.body[unix.SizeofIfAddrmsg:], unix.IFA_MAX, true)
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
	attrs, failure := parse(r.body[unix.SizeofIfAddrmsg:], unix.IFA_MAX, r.strict)
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

func addrRow4(link stack.Interface, p netip.Prefix) row {
	return addrRow(link, p, unix.AF_INET, func(ae *nl.AttributeEncoder) {
		ae.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
		ae.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
		if b := netdev.Broadcast(link, p); b.IsValid() {
			ae.Bytes(unix.IFA_BROADCAST, b.AsSlice())
		}
		ae.String(unix.IFA_LABEL, link.Name)
		ae.Uint32(unix.IFA_FLAGS, unix.IFA_F_PERMANENT)
		ae.Bytes(unix.IFA_CACHEINFO, foreverCacheinfo())
	})
}

func addrRow6(link stack.Interface, p netip.Prefix) row {
	return addrRow(link, p, unix.AF_INET6, func(ae *nl.AttributeEncoder) {
		ae.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
		ae.Bytes(unix.IFA_CACHEINFO, foreverCacheinfo())
		ae.Uint32(unix.IFA_FLAGS, unix.IFA_F_PERMANENT)
		if link.Loopback {
			ae.Uint8(ifaProto, protoKernelLo)
		}
	})
}

func addrRow(link stack.Interface, p netip.Prefix, family uint8, fill func(*nl.AttributeEncoder)) row {
	b := []byte{family, uint8(p.Bits()), unix.IFA_F_PERMANENT, netdev.ScopeOf(p.Addr())}
	b = binary.NativeEndian.AppendUint32(b, uint32(link.Index))
	return row{unix.RTM_NEWADDR, append(b, encode(fill)...)}
}

// foreverCacheinfo is a struct ifa_cacheinfo (<linux/if_addr.h>): preferred and
// valid for ever, made when the host came up.
func foreverCacheinfo() []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, math.MaxUint32)
	b = ne.AppendUint32(b, math.MaxUint32)
	return ne.AppendUint64(b, 0)
}
