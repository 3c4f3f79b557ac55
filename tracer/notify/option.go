package notify

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxOption bounds an option's value, in bytes, and usualOption is room for those
// that a surrogate keeps by itself: struct timeval is the longest.
const (
	maxOption   = 4096
	usualOption = 16
)

// nowhere is an address that the kernel can't read.
const nowhere = 1

// setOption is setsockopt(2). The kernel says what is wrong with the value, also if
// it can't be read. It reads no more than an option has, which there is room for.
func (t *task) setOption(file int, args *[6]uint64) unix.Errno {
	var room [maxOption]byte
	length := int32(args[4])
	value := room[:max(min(length, maxOption), 0)]
	unread := t.ReadMemory(args[3], value)
	if unread != 0 {
		value = value[:min(len(value), usualOption)]
		unread = t.ReadMemory(args[3], value)
	}
	if unread != 0 {
		_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(file), uintptr(args[1]), uintptr(args[2]), nowhere, uintptr(length), 0)
		return errno
	}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(file), uintptr(args[1]), uintptr(args[2]), uintptr(unsafe.Pointer(&room)), uintptr(length), 0)
	return errno
}

// getOption is getsockopt(2).
func (t *task) getOption(file int, args *[6]uint64) unix.Errno {
	var raw [4]byte
	if errno := t.ReadMemory(args[4], raw[:]); errno != 0 {
		return errno
	}
	length := int32(binary.NativeEndian.Uint32(raw[:]))
	length = min(length, maxOption)
	value := make([]byte, maxOption)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(file), uintptr(args[1]), uintptr(args[2]),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return errno
	}
	if errno := t.WriteMemory(args[3], value[:length]); errno != 0 {
		return errno
	}
	binary.NativeEndian.PutUint32(raw[:], uint32(length))
	return t.WriteMemory(args[4], raw[:])
}
