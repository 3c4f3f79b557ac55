package abi

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Structs of packet sockets (<linux/if_packet.h>), see packet(7); sizes in
// bytes.
const (
	SizeofPacketMreq    = 16
	SizeofTpacketReq    = 16
	SizeofTpacketHdr    = 32 // struct tpacket_hdr, of TPACKET_V1
	SizeofTpacket2Hdr   = 32
	OffsetPacketAddress = 8 // mr_address in struct packet_mreq
)

// PacketMreq is struct packet_mreq without its address.
type PacketMreq struct {
	NIC           int32
	Type, AddrLen uint16
}

// ParsePacketMreq decodes b. EINVAL: it is too short, also for the address that
// it says it has (packet_setsockopt).
func ParsePacketMreq(b []byte) (PacketMreq, unix.Errno) {
	if len(b) < SizeofPacketMreq {
		return PacketMreq{}, unix.EINVAL
	}
	ne := binary.NativeEndian
	m := PacketMreq{NIC: int32(ne.Uint32(b)), Type: ne.Uint16(b[4:]), AddrLen: ne.Uint16(b[6:])}
	if len(b) < OffsetPacketAddress+int(m.AddrLen) {
		return PacketMreq{}, unix.EINVAL
	}
	return m, 0
}

// TpacketReq is struct tpacket_req: what a ring is to be.
type TpacketReq struct{ BlockSize, BlockCount, FrameSize, FrameCount uint32 }

// ParseTpacketReq decodes b. EINVAL: it is too short.
func ParseTpacketReq(b []byte) (TpacketReq, unix.Errno) {
	if len(b) < SizeofTpacketReq {
		return TpacketReq{}, unix.EINVAL
	}
	ne := binary.NativeEndian
	return TpacketReq{ne.Uint32(b), ne.Uint32(b[4:]), ne.Uint32(b[8:]), ne.Uint32(b[12:])}, 0
}

// TpacketStats is struct tpacket_stats.
type TpacketStats struct{ Packets, Drops uint32 }

// Bytes encodes s.
func (s TpacketStats) Bytes() []byte {
	b := binary.NativeEndian.AppendUint32(nil, s.Packets)
	return binary.NativeEndian.AppendUint32(b, s.Drops)
}

// TpacketHdr is what struct tpacket_hdr and struct tpacket2_hdr tell of a
// packet but its status, which is to be written last.
type TpacketHdr struct {
	Len, SnapLen uint32
	Mac, Net     uint16
	Sec, Nsec    uint32
}

// BytesV1 and BytesV2 encode h with a status of 0.
func (h TpacketHdr) BytesV1() []byte {
	b := make([]byte, SizeofTpacketHdr)
	h.put(b[8:], h.Nsec/1000)
	return b
}

// BytesV2 is without a VLAN.
func (h TpacketHdr) BytesV2() []byte {
	b := make([]byte, SizeofTpacket2Hdr)
	h.put(b[4:], h.Nsec)
	return b
}

func (h TpacketHdr) put(b []byte, fraction uint32) {
	ne := binary.NativeEndian
	ne.PutUint32(b, h.Len)
	ne.PutUint32(b[4:], h.SnapLen)
	ne.PutUint16(b[8:], h.Mac)
	ne.PutUint16(b[10:], h.Net)
	ne.PutUint32(b[12:], h.Sec)
	ne.PutUint32(b[16:], fraction)
}

// TpacketAuxdata is struct tpacket_auxdata, the control message PACKET_AUXDATA,
// without a VLAN.
type TpacketAuxdata struct {
	Status, Len, SnapLen uint32
	Mac, Net             uint16
}

// Bytes encodes a.
func (a TpacketAuxdata) Bytes() []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, a.Status)
	b = ne.AppendUint32(b, a.Len)
	b = ne.AppendUint32(b, a.SnapLen)
	b = ne.AppendUint16(b, a.Mac)
	b = ne.AppendUint16(b, a.Net)
	return append(b, 0, 0, 0, 0)
}

// SockFprog is struct sock_fprog (<linux/filter.h>): where a filter is in the
// program's memory.
type SockFprog struct {
	Len  uint16
	Addr uint64
}

// SizeofSockFprog is sizeof(struct sock_fprog), in bytes.
const SizeofSockFprog = 16

// ParseSockFprog decodes b. EINVAL: it has another length
// (copy_bpf_fprog_from_user).
func ParseSockFprog(b []byte) (SockFprog, unix.Errno) {
	if len(b) != SizeofSockFprog {
		return SockFprog{}, unix.EINVAL
	}
	return SockFprog{binary.NativeEndian.Uint16(b), binary.NativeEndian.Uint64(b[8:])}, 0
}
