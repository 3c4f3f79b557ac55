package abi

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"
)

// SizeofCmsghdr is sizeof(struct cmsghdr) (<linux/socket.h>), in bytes, and
// cmsgAlignment the multiple on which each header starts (CMSG_ALIGN).
const (
	SizeofCmsghdr = 16
	cmsgAlignment = 8
)

// Cmsg is one control message, as cmsg(3) describes it. Data is its payload,
// without header or padding.
type Cmsg struct {
	Level, Type int32
	Data        []byte
}

func cmsgAlign(n int) int { return (n + cmsgAlignment - 1) &^ (cmsgAlignment - 1) }

// CmsgLen is CMSG_LEN(n): cmsg_len of a message with n bytes of payload.
func CmsgLen(n int) int { return SizeofCmsghdr + n }

// CmsgSpace is CMSG_SPACE(n): what a message with n bytes of payload takes in
// the control buffer, padding included.
func CmsgSpace(n int) int { return cmsgAlign(SizeofCmsghdr + n) }

// Cmsgs walks through the control messages of a sendmsg(2) in order, as
// for_each_cmsghdr and CMSG_OK of <linux/socket.h> do: a message whose
// length is shorter than its header or beyond the buffer is EINVAL, and ends
// the walk; a tail too short for a header is ignored. Data points into
// control.
func Cmsgs(control []byte) iter.Seq2[Cmsg, unix.Errno] {
	return func(yield func(Cmsg, unix.Errno) bool) {
		for rest := control; len(rest) >= SizeofCmsghdr; {
			ne := binary.NativeEndian
			length := ne.Uint64(rest)
			if length < SizeofCmsghdr || length > uint64(len(rest)) {
				yield(Cmsg{}, unix.EINVAL)
				return
			}
			m := Cmsg{
				Level: int32(ne.Uint32(rest[8:])),
				Type:  int32(ne.Uint32(rest[12:])),
				Data:  rest[SizeofCmsghdr:length:length],
			}
			if !yield(m, 0) {
				return
			}
			rest = rest[min(cmsgAlign(int(length)), len(rest)):]
		}
	}
}

// AppendCmsg appends m to the control buffer b of a recvmsg(2) whose program
// gave limit bytes (msg_controllen), as put_cmsg of net/core/scm.c does: what
// does not fit is cut off, to the byte, and truncated says that MSG_CTRUNC
// must be set. Without room for a header nothing is appended.
func AppendCmsg(b []byte, limit int, m Cmsg) (out []byte, truncated bool) {
	room := limit - len(b)
	if room < SizeofCmsghdr {
		return b, true
	}
	length := CmsgLen(len(m.Data))
	if length > room {
		length, truncated = room, true
	}
	ne := binary.NativeEndian
	b = ne.AppendUint64(b, uint64(length))
	b = ne.AppendUint32(b, uint32(m.Level))
	b = ne.AppendUint32(b, uint32(m.Type))
	b = append(b, m.Data[:length-SizeofCmsghdr]...)
	padding := min(cmsgAlign(length), room) - length
	return append(b, make([]byte, padding)...), truncated
}
