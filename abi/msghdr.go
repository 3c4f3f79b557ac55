package abi

import "encoding/binary"

// Sizes of struct msghdr, struct mmsghdr and struct iovec (<linux/socket.h>,
// <linux/uio.h>), in bytes.
const (
	SizeofMsghdr  = 56
	SizeofMMsghdr = 64
	SizeofIovec   = 16
)

// Msghdr is struct user_msghdr: pointers are addresses in the task.
type Msghdr struct {
	Name       uint64
	NameLen    uint32
	IOV        uint64
	IOVLen     uint64
	Control    uint64
	ControlLen uint64
	Flags      uint32
}

// Offsets in struct user_msghdr of what recvmsg(2) writes back.
const (
	OffsetMsghdrNameLen    = 8
	OffsetMsghdrControlLen = 40
	OffsetMsghdrFlags      = 48
	OffsetMMsghdrLen       = SizeofMsghdr
)

// ParseMsghdr decodes the first SizeofMsghdr bytes of b.
func ParseMsghdr(b []byte) Msghdr {
	ne := binary.NativeEndian
	return Msghdr{
		Name: ne.Uint64(b), NameLen: ne.Uint32(b[8:]),
		IOV: ne.Uint64(b[16:]), IOVLen: ne.Uint64(b[24:]),
		Control: ne.Uint64(b[32:]), ControlLen: ne.Uint64(b[40:]),
		Flags: ne.Uint32(b[48:]),
	}
}

// Bytes encodes h.
func (h Msghdr) Bytes() []byte {
	b := make([]byte, SizeofMsghdr)
	ne := binary.NativeEndian
	ne.PutUint64(b, h.Name)
	ne.PutUint32(b[8:], h.NameLen)
	ne.PutUint64(b[16:], h.IOV)
	ne.PutUint64(b[24:], h.IOVLen)
	ne.PutUint64(b[32:], h.Control)
	ne.PutUint64(b[40:], h.ControlLen)
	ne.PutUint32(b[48:], h.Flags)
	return b
}
