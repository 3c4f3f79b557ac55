package abi

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sizes of struct in_pktinfo (<linux/in.h>) and in6_pktinfo (<linux/ipv6.h>),
// in bytes.
const (
	SizeofInPktinfo  = 12
	SizeofIn6Pktinfo = 20
)

// InPktinfo is struct in_pktinfo, see ip(7): Local is ipi_spec_dst, Dst is
// ipi_addr. An address that is invalid or IPv6 is written as 0.0.0.0.
type InPktinfo struct {
	NIC        int32
	Local, Dst netip.Addr
}

// ParseInPktinfo decodes a struct in_pktinfo. EINVAL: b has another length,
// as ip_cmsg_send of net/ipv4/ip_sockglue.c has it.
func ParseInPktinfo(b []byte) (InPktinfo, unix.Errno) {
	if len(b) != SizeofInPktinfo {
		return InPktinfo{}, unix.EINVAL
	}
	return InPktinfo{
		NIC:   int32(binary.NativeEndian.Uint32(b)),
		Local: netip.AddrFrom4([4]byte(b[4:])),
		Dst:   netip.AddrFrom4([4]byte(b[8:])),
	}, 0
}

// Bytes encodes p.
func (p InPktinfo) Bytes() []byte {
	b := IntBytes(p.NIC)
	b = append(b, bytes4(p.Local)...)
	return append(b, bytes4(p.Dst)...)
}

// In6Pktinfo is struct in6_pktinfo, see ipv6(7): Addr is the destination of a
// received packet or the source of one to send. An IPv4 address is written
// v4-mapped, an invalid one as ::.
type In6Pktinfo struct {
	Addr netip.Addr
	NIC  int32
}

// ParseIn6Pktinfo decodes a struct in6_pktinfo. EINVAL: b is shorter, as
// ip6_datagram_send_ctl of net/ipv6/datagram.c has it.
func ParseIn6Pktinfo(b []byte) (In6Pktinfo, unix.Errno) {
	if len(b) < SizeofIn6Pktinfo {
		return In6Pktinfo{}, unix.EINVAL
	}
	return In6Pktinfo{
		Addr: netip.AddrFrom16([16]byte(b)),
		NIC:  int32(binary.NativeEndian.Uint32(b[16:])),
	}, 0
}

// Bytes encodes p.
func (p In6Pktinfo) Bytes() []byte {
	return append(bytes16(p.Addr), IntBytes(p.NIC)...)
}

func bytes4(a netip.Addr) []byte {
	if a = a.Unmap(); !a.Is4() {
		return make([]byte, 4)
	}
	return a.AsSlice()
}

func bytes16(a netip.Addr) []byte {
	if !a.IsValid() {
		return make([]byte, 16)
	}
	b := a.As16()
	return b[:]
}
