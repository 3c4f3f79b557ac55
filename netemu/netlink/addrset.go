package netlink

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// errShortHeader refuses a message that is shorter than the header of its type
// (__nlmsg_parse).
var errShortHeader = refuse(unix.EINVAL, "Invalid header length")

// addrRequest is a RTM_NEWADDR or RTM_DELADDR.
type addrRequest struct {
	index          int32
	bits           int
	flags          uint32
	scope          uint8
	local, address netip.Addr // invalid: not told
	attrs          attributes
}

// parseAddrRequest reads the ifaddrmsg and the addresses behind it. IFA_FLAGS
// stands in for ifa_flags.
func parseAddrRequest(r *request, unset netip.Addr) (q addrRequest, failure *refusal) {
	if len(r.body) < unix.SizeofIfAddrmsg {
		return q, errShortHeader
	}
	q.bits, q.flags, q.scope = int(r.body[1]), uint32(r.body[2]), r.body[3]
	q.index = int32(binary.NativeEndian.Uint32(r.body[4:]))
	if q.attrs, failure = parse(r.body[unix.SizeofIfAddrmsg:], ifaMax, false); failure != nil {
		return q, failure
	}
	if q.local, failure = q.attrs.addr(unix.IFA_LOCAL, unset); failure != nil {
		return q, failure
	}
	if q.address, failure = q.attrs.addr(unix.IFA_ADDRESS, unset); failure != nil {
		return q, failure
	}
	if _, ok := q.attrs[unix.IFA_FLAGS]; ok {
		q.flags, failure = q.attrs.uint32(unix.IFA_FLAGS)
	}
	return q, failure
}

// addr is the address in attribute typ, of the family that unset is of;
// invalid if it is not there. ERANGE: it is shorter.
func (a attributes) addr(typ uint16, unset netip.Addr) (netip.Addr, *refusal) {
	b, ok := a[typ]
	if !ok {
		return netip.Addr{}, nil
	}
	size := unset.BitLen() / 8
	if len(b) < size {
		return netip.Addr{}, errPolicy
	}
	addr, _ := netip.AddrFromSlice(b[:size])
	return addr, nil
}

// sizeofCacheinfo is sizeof(struct ifa_cacheinfo) (<linux/if_addr.h>).
const sizeofCacheinfo = 16

// fill adds to address a what the attributes tell of any family's. Prefix is
// the family's in Linux's words.
func (q addrRequest) fill(a *stack.Address, prefix string) *refusal {
	var failure *refusal
	if a.Metric, failure = q.attrs.uint32(unix.IFA_RT_PRIORITY); failure != nil {
		return failure
	}
	if b, ok := q.attrs[ifaProto]; ok {
		if len(b) < 1 {
			return errPolicy
		}
		a.Protocol = b[0]
	}
	a.Valid, a.Preferred = stack.Forever, stack.Forever
	b, ok := q.attrs[unix.IFA_CACHEINFO]
	if !ok {
		return nil
	}
	if len(b) < sizeofCacheinfo {
		return errPolicy
	}
	a.Preferred, a.Valid = binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
	if a.Valid == 0 || a.Preferred > a.Valid {
		return refuse(unix.EINVAL, prefix+"address lifetime invalid")
	}
	return nil
}

// newAddr4 is inet_rtm_newaddr (net/ipv4/devinet.c).
func newAddr4(r *request) *refusal {
	q, failure := parseAddrRequest(r, netip.IPv4Unspecified())
	switch {
	case failure != nil:
		return failure
	case q.bits > 32:
		return refuse(unix.EINVAL, "ipv4: Invalid prefix length")
	case !q.local.IsValid():
		return refuse(unix.EINVAL, "ipv4: Local address is not supplied")
	}
	if _, ok := r.byIndex(q.index); !ok {
		return refuse(unix.ENODEV, "ipv4: Device not found")
	}
	a := stack.Address{Prefix: netip.PrefixFrom(q.local, q.bits), Flags: q.flags, Scope: q.scope}
	if q.address.IsValid() && q.address != q.local {
		a.Peer = q.address
	}
	if a.Broadcast, failure = q.attrs.addr(unix.IFA_BROADCAST, netip.IPv4Unspecified()); failure != nil {
		return failure
	}
	if a.Label = q.attrs.text(unix.IFA_LABEL); len(a.Label) >= unix.IFNAMSIZ {
		return errPolicy
	}
	if failure := q.fill(&a, "ipv4: "); failure != nil {
		return failure
	}
	return r.host.AddAddress(r.by, q.index, a)
}

// deleteAddr4 is inet_rtm_deladdr.
func deleteAddr4(r *request) *refusal {
	q, failure := parseAddrRequest(r, netip.IPv4Unspecified())
	if failure != nil {
		return failure
	}
	s := rtnl.AddressSelector{Local: q.local, Label: q.attrs.text(unix.IFA_LABEL)}
	if q.address.IsValid() {
		if q.bits > 32 {
			return refuse(unix.EADDRNOTAVAIL, "ipv4: Address not found")
		}
		s.Address = netip.PrefixFrom(q.address, q.bits)
	}
	return r.host.DeleteAddress4(r.by, q.index, s)
}

// settableFlags6 are the flags that a program may give an IPv6 address
// (inet6_rtm_newaddr).
const settableFlags6 = unix.IFA_F_NODAD | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR |
	unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN | unix.IFA_F_OPTIMISTIC

// newAddr6 is inet6_rtm_newaddr (net/ipv6/addrconf.c).
func newAddr6(r *request) *refusal {
	q, failure := parseAddrRequest(r, netip.IPv6Unspecified())
	if failure != nil {
		return failure
	}
	a, failure := q.inet6()
	if failure != nil {
		return failure
	}
	if _, ok := r.byIndex(q.index); !ok {
		return refuse(unix.ENODEV, "ipv6: Unable to find the interface")
	}
	const both = unix.IFA_F_NODAD | unix.IFA_F_OPTIMISTIC
	switch a.Flags = q.flags & settableFlags6; {
	case a.Flags&both == both:
		return refuse(unix.EINVAL, "ipv6: IFA_F_NODAD and IFA_F_OPTIMISTIC are mutually exclusive")
	case q.bits > 128:
		return refuse(unix.EINVAL, "ipv6: Invalid prefix length")
	case a.Flags&unix.IFA_F_MANAGETEMPADDR != 0 && q.bits != 64:
		return refuse(unix.EINVAL, `ipv6: address with "mngtmpaddr" flag must have a prefix length of 64`)
	}
	a.Flags &^= unix.IFA_F_OPTIMISTIC
	if failure := q.fill(&a, "ipv6: "); failure != nil {
		return failure
	}
	return r.host.AddAddress(r.by, q.index, a)
}

// inet6 is the address that a request names (extract_addr).
func (q addrRequest) inet6() (stack.Address, *refusal) {
	a := stack.Address{}
	ip := q.local
	switch {
	case !ip.IsValid():
		ip = q.address
	case q.address.IsValid() && q.address != ip:
		a.Peer = q.address
	}
	if !ip.IsValid() {
		return a, refuse(unix.EINVAL, "")
	}
	a.Prefix = netip.PrefixFrom(ip, min(q.bits, 128))
	switch {
	case ip.IsLoopback():
		a.Scope = unix.RT_SCOPE_HOST
	case ip.IsLinkLocalUnicast():
		a.Scope = unix.RT_SCOPE_LINK
	}
	return a, nil
}

// deleteAddr6 is inet6_rtm_deladdr.
func deleteAddr6(r *request) *refusal {
	q, failure := parseAddrRequest(r, netip.IPv6Unspecified())
	if failure != nil {
		return failure
	}
	a, failure := q.inet6()
	switch {
	case failure != nil:
		return failure
	case q.bits > 128:
		return refuse(unix.EINVAL, "ipv6: Invalid prefix length")
	}
	return r.host.DeleteAddress6(r.by, q.index, a.Prefix)
}
