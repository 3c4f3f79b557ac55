package netemu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// copyAddress copies a socket address in, as move_addr_to_kernel does
// (net/socket.c): EINVAL for a length below 0 or above sockaddr_storage.
func copyAddress(t trap.Task, addr uint64, length int32) ([]byte, unix.Errno) {
	if length < 0 || length > abi.SizeofSockaddrStorage {
		return nil, unix.EINVAL
	}
	b := make([]byte, length)
	if length == 0 {
		return b, 0
	}
	return b, t.ReadMemory(addr, b)
}

// writeAddress copies a socket address out to the value-result pair addr,
// lenAddr, as move_addr_to_user does: truncated to the room there is, with the
// full length stored. addr may be 0: nothing is wanted.
func writeAddress(t trap.Task, b []byte, addr, lenAddr uint64) unix.Errno {
	if addr == 0 {
		return 0
	}
	room, errno := readInt32(t, lenAddr)
	if errno != 0 {
		return errno
	}
	if room < 0 {
		return unix.EINVAL
	}
	if n := min(int(room), len(b)); n > 0 {
		if errno := t.WriteMemory(addr, b[:n]); errno != 0 {
			return errno
		}
	}
	return writeInt32(t, lenAddr, int32(len(b)))
}

func readInt32(t trap.Task, addr uint64) (int32, unix.Errno) {
	var b [4]byte
	errno := t.ReadMemory(addr, b[:])
	return int32(binary.NativeEndian.Uint32(b[:])), errno
}

func writeInt32(t trap.Task, addr uint64, v int32) unix.Errno {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(v))
	return t.WriteMemory(addr, b[:])
}

// copyMsghdr copies a struct msghdr in.
func copyMsghdr(t trap.Task, addr uint64) (abi.Msghdr, unix.Errno) {
	var b [abi.SizeofMsghdr]byte
	if errno := t.ReadMemory(addr, b[:]); errno != 0 {
		return abi.Msghdr{}, errno
	}
	return abi.ParseMsghdr(b[:]), 0
}

// maxIovec is UIO_MAXIOV (<linux/uio.h>).
const maxIovec = 1024

// gather copies in what an iovec array points to. EMSGSIZE: more than limit
// bytes, or too many iovecs.
func gather(t trap.Task, iov, count uint64, limit int) ([]byte, unix.Errno) {
	if count > maxIovec {
		return nil, unix.EMSGSIZE
	}
	raw := make([]byte, count*abi.SizeofIovec)
	if count > 0 {
		if errno := t.ReadMemory(iov, raw); errno != 0 {
			return nil, errno
		}
	}
	var total uint64
	for i := uint64(0); i < count; i++ {
		n := binary.NativeEndian.Uint64(raw[i*abi.SizeofIovec+8:])
		if int64(n) < 0 {
			return nil, unix.EINVAL
		}
		if total += n; total > uint64(limit) {
			return nil, unix.EMSGSIZE
		}
	}
	buf := make([]byte, total)
	rest := buf
	for i := uint64(0); i < count; i++ {
		base := binary.NativeEndian.Uint64(raw[i*abi.SizeofIovec:])
		n := binary.NativeEndian.Uint64(raw[i*abi.SizeofIovec+8:])
		if n == 0 {
			continue
		}
		if errno := t.ReadMemory(base, rest[:n]); errno != 0 {
			return nil, errno
		}
		rest = rest[n:]
	}
	return buf, 0
}
