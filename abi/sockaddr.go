package abi

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Lengths of socket addresses, in bytes: sockaddr_in and sockaddr_in6
// (<linux/in.h>, <linux/in6.h>), sockaddr_nl (<linux/netlink.h>), and the most
// that the kernel copies in for any family (struct sockaddr_storage).
const (
	SizeofSockaddrInet4   = 16
	SizeofSockaddrInet6   = 28
	SizeofSockaddrNetlink = 12
	SizeofSockaddrStorage = 128
	sizeofSockaddrIn6Min  = 24 // SIN6_LEN_RFC2133 (<net/ipv6.h>): without sin6_scope_id
)

// Sockaddr is a socket address of one of the families that netbox emulates.
type Sockaddr struct {
	Family uint16
	// Addr and Scope (sin6_scope_id) are for AF_INET and AF_INET6; the zone of
	// Addr is never set.
	Addr  netip.AddrPort
	Scope uint32
	// PortID and Groups are for AF_NETLINK.
	PortID, Groups uint32
	// Link is for AF_PACKET. LinkName says that the address is a socket's own,
	// which getsockname(2) tells without what follows the hardware address.
	Link     SockaddrLL
	LinkName bool
}

// Family is the sa_family of the raw address b; EINVAL if it is too short to
// have one.
func Family(b []byte) (uint16, unix.Errno) {
	if len(b) < 2 {
		return 0, unix.EINVAL
	}
	return binary.NativeEndian.Uint16(b), 0
}

// ParseSockaddr decodes an AF_INET, AF_INET6, AF_NETLINK, AF_PACKET or AF_UNSPEC address.
// EINVAL: too short for its family. EAFNOSUPPORT: another family.
func ParseSockaddr(b []byte) (Sockaddr, unix.Errno) {
	family, errno := Family(b)
	if errno != 0 {
		return Sockaddr{}, errno
	}
	sa := Sockaddr{Family: family}
	switch family {
	case unix.AF_UNSPEC:
	case unix.AF_INET:
		if len(b) < SizeofSockaddrInet4 {
			return Sockaddr{}, unix.EINVAL
		}
		sa.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:]))
	case unix.AF_INET6:
		if len(b) < sizeofSockaddrIn6Min {
			return Sockaddr{}, unix.EINVAL
		}
		sa.Addr = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), binary.BigEndian.Uint16(b[2:]))
		if len(b) >= SizeofSockaddrInet6 {
			sa.Scope = binary.NativeEndian.Uint32(b[24:])
		}
	case unix.AF_NETLINK:
		if len(b) < SizeofSockaddrNetlink {
			return Sockaddr{}, unix.EINVAL
		}
		sa.PortID = binary.NativeEndian.Uint32(b[4:])
		sa.Groups = binary.NativeEndian.Uint32(b[8:])
	case unix.AF_PACKET:
		link, errno := ParseSockaddrLL(b)
		if errno != 0 {
			return Sockaddr{}, errno
		}
		sa.Link = link
	default:
		return Sockaddr{}, unix.EAFNOSUPPORT
	}
	return sa, 0
}

// Bytes encodes the address as the kernel hands it out. An AF_INET6 address
// that holds an IPv4 one is written v4-mapped.
func (sa Sockaddr) Bytes() []byte {
	switch sa.Family {
	case unix.AF_INET:
		b := make([]byte, SizeofSockaddrInet4)
		binary.NativeEndian.PutUint16(b, sa.Family)
		binary.BigEndian.PutUint16(b[2:], sa.Addr.Port())
		a := sa.Addr.Addr().Unmap().As4()
		copy(b[4:], a[:])
		return b
	case unix.AF_INET6:
		b := make([]byte, SizeofSockaddrInet6)
		binary.NativeEndian.PutUint16(b, sa.Family)
		binary.BigEndian.PutUint16(b[2:], sa.Addr.Port())
		a := sa.Addr.Addr().As16()
		copy(b[8:], a[:])
		binary.NativeEndian.PutUint32(b[24:], sa.Scope)
		return b
	case unix.AF_NETLINK:
		b := make([]byte, SizeofSockaddrNetlink)
		binary.NativeEndian.PutUint16(b, sa.Family)
		binary.NativeEndian.PutUint32(b[4:], sa.PortID)
		binary.NativeEndian.PutUint32(b[8:], sa.Groups)
		return b
	case unix.AF_PACKET:
		b := sa.Link.Bytes()
		if sa.LinkName {
			return b[:OffsetSockaddrLLAddr+sa.Link.AddrLen]
		}
		return b
	}
	b := make([]byte, 2)
	binary.NativeEndian.PutUint16(b, sa.Family)
	return b
}
