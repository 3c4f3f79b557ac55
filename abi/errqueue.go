package abi

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// SizeofSockExtendedErr is sizeof(struct sock_extended_err)
// (<linux/errqueue.h>), in bytes.
const SizeofSockExtendedErr = 16

// SockExtendedErr is struct sock_extended_err, see IP_RECVERR in ip(7).
// Origin is one of SO_EE_ORIGIN_*.
type SockExtendedErr struct {
	Errno              uint32
	Origin, Type, Code uint8
	Info, Data         uint32
}

// BytesWith encodes e and, behind it, the offender as a socket address of the
// family AF_INET or AF_INET6: the whole payload of an IP_RECVERR or
// IPV6_RECVERR control message. An unknown offender (invalid address) is an
// AF_UNSPEC address of the same length, as SO_EE_OFFENDER says.
func (e SockExtendedErr) BytesWith(family uint16, offender netip.Addr, scope uint32) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, e.Errno)
	b = append(b, e.Origin, e.Type, e.Code, 0)
	b = ne.AppendUint32(b, e.Info)
	b = ne.AppendUint32(b, e.Data)
	if offender.IsValid() {
		sa := Sockaddr{Family: family, Addr: netip.AddrPortFrom(offender, 0), Scope: scope}
		return append(b, sa.Bytes()...)
	}
	size := SizeofSockaddrInet4
	if family == unix.AF_INET6 {
		size = SizeofSockaddrInet6
	}
	return append(b, make([]byte, size)...)
}
