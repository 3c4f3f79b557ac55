package abi

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// SizeofInt is the size of a C int, the value of most socket options, in bytes.
const SizeofInt = 4

// ParseInt decodes the C int at the start of b. EINVAL: b is shorter.
func ParseInt(b []byte) (int32, unix.Errno) {
	if len(b) < SizeofInt {
		return 0, unix.EINVAL
	}
	return int32(binary.NativeEndian.Uint32(b)), 0
}

// ParseIntOrByte decodes a C int, or a single unsigned byte where b is shorter
// than an int, as the IPPROTO_IP options take it (do_ip_setsockopt,
// net/ipv4/ip_sockglue.c). EINVAL: b is empty.
func ParseIntOrByte(b []byte) (int32, unix.Errno) {
	if len(b) >= SizeofInt {
		return ParseInt(b)
	}
	if len(b) == 0 {
		return 0, unix.EINVAL
	}
	return int32(b[0]), 0
}

// IntBytes encodes a C int.
func IntBytes(v int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(v)) }
