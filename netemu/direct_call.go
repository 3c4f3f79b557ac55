package netemu

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/abi"
)

// The calls that are made on a copy of a direct socket. None waits: the descriptor
// is not to be held up by the supervisor.

// connectFile is connect(2). The socket does not block, or is of UDP.
func connectFile(file int, raw []byte) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(file), uintptr(unsafe.Pointer(unsafe.SliceData(raw))), uintptr(len(raw)))
	return errno
}

// nameOf and peerOf are getsockname(2) and getpeername(2).
func nameOf(file int) (abi.Sockaddr, unix.Errno) { return addressOf(unix.SYS_GETSOCKNAME, file) }
func peerOf(file int) (abi.Sockaddr, unix.Errno) { return addressOf(unix.SYS_GETPEERNAME, file) }

func addressOf(nr uintptr, file int) (abi.Sockaddr, unix.Errno) {
	var b [abi.SizeofSockaddrStorage]byte
	n := uint32(len(b))
	if _, _, errno := unix.RawSyscall(nr, uintptr(file), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n))); errno != 0 {
		return abi.Sockaddr{}, errno
	}
	return abi.ParseSockaddr(b[:n])
}

// getOption is getsockopt(2): the value, in b.
func getOption(file int, k optionKey, b []byte) ([]byte, unix.Errno) {
	n := uint32(len(b))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(file), uintptr(k.level), uintptr(k.name),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return nil, errno
	}
	return b[:min(int(n), len(b))], 0
}

// fileFlags is F_GETFL.
func fileFlags(file int) int {
	flags, _, _ := unix.RawSyscall(unix.SYS_FCNTL, uintptr(file), unix.F_GETFL, 0)
	return int(flags)
}

func setFileFlags(file, flags int) {
	unix.RawSyscall(unix.SYS_FCNTL, uintptr(file), unix.F_SETFL, uintptr(flags))
}

// waitLimit is SO_RCVTIMEO or SO_SNDTIMEO; negative: none.
func waitLimit(file int, name int32) (limit abi.Timeval, limited bool) {
	var b [abi.SizeofTimeval]byte
	raw, errno := getOption(file, optionKey{unix.SOL_SOCKET, name}, b[:])
	if errno != 0 {
		return abi.Timeval{}, false
	}
	limit, errno = abi.ParseTimeval(raw)
	return limit, errno == 0 && limit != abi.Timeval{}
}

// closed says that a TCP socket is neither connected nor on its way (TCP_CLOSE).
func closed(file int) bool {
	var state [1]byte // tcpi_state is the first byte
	_, errno := getOption(file, optionKey{unix.SOL_TCP, unix.TCP_INFO}, state[:])
	return errno == 0 && state[0] == tcpClose
}
