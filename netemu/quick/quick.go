// Package quick makes the system calls of the data path, which never wait: Go's
// scheduler is not told of them, and nothing is allocated. A byte on its way to the host
// and back takes nine.
package quick

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// bulk is from how many bytes on a transfer is one that the scheduler is told of, since
// copying them takes more than ten microseconds.
const bulk = 64 << 10

// Recv is recv(2) with MSG_DONTWAIT. EINTR is not told.
func Recv(fd int, p []byte, flags int) (int, error) {
	return transfer(unix.SYS_RECVFROM, fd, p, flags)
}

// Send is send(2) with MSG_DONTWAIT and MSG_NOSIGNAL. EINTR is not told.
func Send(fd int, p []byte) (int, error) {
	return transfer(unix.SYS_SENDTO, fd, p, unix.MSG_NOSIGNAL)
}

func transfer(nr uintptr, fd int, p []byte, flags int) (int, error) {
	for {
		var n uintptr
		var errno unix.Errno
		if len(p) < bulk { // a pointer may become a number in the call only (package unsafe)
			n, _, errno = unix.RawSyscall6(nr, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		} else {
			n, _, errno = unix.Syscall6(nr, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		}
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Poll is the poll(2) state of fd now.
func Poll(fd int, events int16) int16 {
	p := unix.PollFd{Fd: int32(fd), Events: events}
	var now unix.Timespec
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
		if errno != unix.EINTR {
			return p.Revents
		}
	}
}

// Queue is ioctl(2) with request SIOCINQ or SIOCOUTQ, in bytes.
func Queue(fd int, request uintptr) (int, unix.Errno) {
	var n int32
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&n)))
	return int(n), errno
}
