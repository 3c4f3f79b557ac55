package abi

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// SizeofSockaddrLL is sizeof(struct sockaddr_ll) (<linux/if_packet.h>), in
// bytes, and maxLinkAddress the length of its sll_addr.
const (
	SizeofSockaddrLL = 20
	maxLinkAddress   = 8
)

// SockaddrLL is struct sockaddr_ll, see packet(7): the hardware addresses in
// getifaddrs(3). Protocol is in host order; of Addr, eight bytes count.
type SockaddrLL struct {
	Protocol     uint16
	NIC          int32
	HardwareType uint16
	PacketType   uint8
	Addr         []byte
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
	b[11] = uint8(copy(b[12:12+maxLinkAddress], sa.Addr))
	return b
}
