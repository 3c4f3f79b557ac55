package abi

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// SizeofSockaddrLL is sizeof(struct sockaddr_ll) (<linux/if_packet.h>), in
// bytes, maxLinkAddress the length of its sll_addr, and OffsetSockaddrLLAddr
// where that is.
const (
	SizeofSockaddrLL     = 20
	OffsetSockaddrLLAddr = 12
	maxLinkAddress       = 8
)

// SockaddrLL is struct sockaddr_ll, see packet(7): the hardware addresses in
// getifaddrs(3), and the names of packet sockets. Protocol is in host order; of
// Addr the first AddrLen bytes are the hardware address.
type SockaddrLL struct {
	Protocol     uint16
	NIC          int32
	HardwareType uint16
	PacketType   uint8
	AddrLen      uint8
	Addr         [maxLinkAddress]byte
}

// LinkAddr makes Addr of a hardware address, of which eight bytes count.
func LinkAddr(a []byte) (addr [maxLinkAddress]byte, n uint8) {
	n = uint8(copy(addr[:], a))
	return addr, n
}

// Bytes encodes sa.
func (sa SockaddrLL) Bytes() []byte {
	b := make([]byte, SizeofSockaddrLL)
	ne := binary.NativeEndian
	ne.PutUint16(b, unix.AF_PACKET)
	binary.BigEndian.PutUint16(b[2:], sa.Protocol)
	ne.PutUint32(b[4:], uint32(sa.NIC))
	ne.PutUint16(b[8:], sa.HardwareType)
	b[10] = sa.PacketType
	b[11] = sa.AddrLen
	copy(b[OffsetSockaddrLLAddr:], sa.Addr[:min(sa.AddrLen, maxLinkAddress)])
	return b
}

// ParseSockaddrLL decodes the first SizeofSockaddrLL bytes of b. EINVAL: there
// are not as many. An sll_halen beyond the struct is cut.
func ParseSockaddrLL(b []byte) (SockaddrLL, unix.Errno) {
	if len(b) < SizeofSockaddrLL {
		return SockaddrLL{}, unix.EINVAL
	}
	ne := binary.NativeEndian
	sa := SockaddrLL{
		Protocol: binary.BigEndian.Uint16(b[2:]), NIC: int32(ne.Uint32(b[4:])),
		HardwareType: ne.Uint16(b[8:]), PacketType: b[10], AddrLen: min(b[11], maxLinkAddress),
	}
	copy(sa.Addr[:sa.AddrLen], b[OffsetSockaddrLLAddr:])
	return sa, 0
}
