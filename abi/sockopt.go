package abi

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Sizes of struct linger (<linux/socket.h>) and struct ucred
// (<linux/socket.h>, unix(7)), in bytes.
const (
	SizeofLinger = 8
	SizeofUcred  = 12
)

// Linger is struct linger of SO_LINGER: Seconds is l_linger.
type Linger struct{ OnOff, Seconds int32 }

// ParseLinger decodes a struct linger. EINVAL: b is shorter.
func ParseLinger(b []byte) (Linger, unix.Errno) {
	if len(b) < SizeofLinger {
		return Linger{}, unix.EINVAL
	}
	ne := binary.NativeEndian
	return Linger{int32(ne.Uint32(b)), int32(ne.Uint32(b[4:]))}, 0
}

// Bytes encodes l.
func (l Linger) Bytes() []byte {
	return append(IntBytes(l.OnOff), IntBytes(l.Seconds)...)
}

// Ucred is struct ucred of SO_PEERCRED and SCM_CREDENTIALS.
type Ucred struct {
	PID      int32
	UID, GID uint32
}

// ParseUcred decodes a struct ucred. EINVAL: b is shorter.
func ParseUcred(b []byte) (Ucred, unix.Errno) {
	if len(b) < SizeofUcred {
		return Ucred{}, unix.EINVAL
	}
	ne := binary.NativeEndian
	return Ucred{int32(ne.Uint32(b)), ne.Uint32(b[4:]), ne.Uint32(b[8:])}, 0
}

// Bytes encodes u.
func (u Ucred) Bytes() []byte {
	b := IntBytes(u.PID)
	b = binary.NativeEndian.AppendUint32(b, u.UID)
	return binary.NativeEndian.AppendUint32(b, u.GID)
}
