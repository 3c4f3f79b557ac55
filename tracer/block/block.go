// Package block makes the system calls in which the engines wait for tasks.
//
// A thread that enters a call by package syscall keeps its processor, in the sense of
// Go's scheduler, until the runtime's sysmon looks and takes it away, which is 20 µs later
// at the least and, with netbox's timer slack, half a millisecond. If all processors are
// kept so, nobody waits for descriptors meanwhile: what comes in lies there until then, a
// third of the time in a loop of questions to a resolver on one core. Here the processor
// is given away at once, as the runtime does where it knows that a call will wait
// (runtime/proc.go, entersyscallblock): to a thread that polls, if there is none.
//
// The two functions of the runtime are among those that it promises to keep for who
// links to them.
package block

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ioctl is ioctl(2).
//
//go:nosplit
func Ioctl(fd int, req uintptr, arg unsafe.Pointer) (uintptr, unix.Errno) {
	entersyscallblock()
	r, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg))
	exitsyscall()
	return r, errno
}

// Wait4 is wait4(2) without resource usage.
//
//go:nosplit
func Wait4(pid int, status *uint32, options int) (int, unix.Errno) {
	entersyscallblock()
	r, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(pid), uintptr(unsafe.Pointer(status)), uintptr(options), 0, 0, 0)
	exitsyscall()
	return int(r), errno
}

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()
