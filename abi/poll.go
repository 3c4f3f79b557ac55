package abi

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// SizeofPollFD is sizeof(struct pollfd) (<asm-generic/poll.h>), in bytes;
// OffsetPollFDRevents is where poll(2) writes what it found.
const (
	SizeofPollFD        = 8
	OffsetPollFDRevents = 6
)

// PollFD is struct pollfd.
type PollFD struct {
	FD              int32
	Events, Revents int16
}

// ParsePollFD decodes a struct pollfd. EINVAL: b is shorter.
func ParsePollFD(b []byte) (PollFD, unix.Errno) {
	if len(b) < SizeofPollFD {
		return PollFD{}, unix.EINVAL
	}
	ne := binary.NativeEndian
	return PollFD{int32(ne.Uint32(b)), int16(ne.Uint16(b[4:])), int16(ne.Uint16(b[6:]))}, 0
}

// Bytes encodes p.
func (p PollFD) Bytes() []byte {
	b := IntBytes(p.FD)
	b = binary.NativeEndian.AppendUint16(b, uint16(p.Events))
	return binary.NativeEndian.AppendUint16(b, uint16(p.Revents))
}
