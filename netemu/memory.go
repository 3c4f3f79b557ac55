package netemu

import (
	"encoding/binary"
	"runtime"

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
// lenAddr. addr may be 0: nothing is wanted.
func writeAddress(t trap.Task, b []byte, addr, lenAddr uint64) unix.Errno {
	if addr == 0 {
		return 0
	}
	return moveAddress(t, b, addr, lenAddr)
}

// moveAddress is move_addr_to_user of Linux 6.18: the full length is stored
// first, then the address, truncated to the room there is.
func moveAddress(t trap.Task, b []byte, addr, lenAddr uint64) unix.Errno {
	room, errno := readInt32(t, lenAddr)
	if errno != 0 {
		return errno
	}
	if room < 0 {
		return unix.EINVAL
	}
	if errno := writeInt32(t, lenAddr, int32(len(b))); errno != 0 {
		return errno
	}
	if n := min(int(room), len(b)); n > 0 {
		return t.WriteMemory(addr, b[:n])
	}
	return 0
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

// checkMsghdr makes the checks of copy_msghdr_from_user (net/socket.c): EFAULT,
// EINVAL for negative lengths, EMSGSIZE for too many iovecs, ENOBUFS for a huge
// control buffer.
func checkMsghdr(t trap.Task, addr uint64, sending bool) unix.Errno {
	h, errno := copyMsghdr(t, addr)
	if errno != 0 {
		return errno
	}
	if h.Name != 0 && int32(h.NameLen) < 0 {
		return unix.EINVAL
	}
	if sending && h.Name != 0 && h.NameLen > 0 {
		if _, errno := copyAddress(t, h.Name, int32(min(h.NameLen, abi.SizeofSockaddrStorage))); errno != 0 {
			return errno
		}
	}
	if _, errno := copyIovec(t, h.IOV, h.IOVLen); errno != 0 {
		return errno
	}
	if sending && h.ControlLen > maxControl {
		return unix.ENOBUFS
	}
	if sending && h.ControlLen > 0 {
		return t.ReadMemory(h.Control, make([]byte, h.ControlLen))
	}
	return 0
}

// maxIovec is UIO_MAXIOV (<linux/uio.h>).
const maxIovec = 1024

// iovec is struct iovec.
type iovec struct{ base, length uint64 }

// maxTransfer is MAX_RW_COUNT (<linux/fs.h>) with pages of 4 KiB: longer buffers
// are cut to it.
const maxTransfer = 0x7ffff000

// checkRange is access_ok: EFAULT for a buffer that reaches into the kernel's
// half of the address space, whether or not it comes to be used.
func checkRange(addr, length uint64) unix.Errno {
	end := addr + length
	if runtime.GOARCH == "arm64" {
		// The top byte of a pointer may be a tag.
		addr, end = uint64(int64(addr<<8)>>8), uint64(int64(end<<8)>>8)
	}
	if int64(addr) < 0 || int64(end) < 0 {
		return unix.EFAULT
	}
	return 0
}

// copyIovec copies an iovec array in (import_iovec): EMSGSIZE for too many,
// EINVAL for a negative length, EFAULT for a kernel address.
func copyIovec(t trap.Task, addr, count uint64) ([]iovec, unix.Errno) {
	if count > maxIovec {
		return nil, unix.EMSGSIZE
	}
	if count == 0 {
		return nil, 0
	}
	raw := make([]byte, count*abi.SizeofIovec)
	if errno := t.ReadMemory(addr, raw); errno != 0 {
		if count == 1 {
			return nil, errno
		}
		// A length that is wrong comes before memory that ends (copy_iovec_from_user).
		_, before := copyIovec(t, addr, count-1)
		if before != unix.EINVAL {
			before = errno
		}
		return nil, before
	}
	out := make([]iovec, count)
	for i := range out {
		out[i].base = binary.NativeEndian.Uint64(raw[i*abi.SizeofIovec:])
		out[i].length = binary.NativeEndian.Uint64(raw[i*abi.SizeofIovec+8:])
		if int64(out[i].length) < 0 {
			return nil, unix.EINVAL
		}
	}
	for _, v := range out {
		length := v.length
		if count == 1 {
			length = min(length, maxTransfer) // import_ubuf
		}
		if errno := checkRange(v.base, length); errno != 0 {
			return nil, errno
		}
	}
	return out, 0
}

// gather copies in what an iovec array points to. EMSGSIZE: more than limit
// bytes.
func gather(t trap.Task, vec []iovec, limit int) ([]byte, unix.Errno) {
	var total uint64
	for _, v := range vec {
		if total += v.length; total > uint64(limit) {
			return nil, unix.EMSGSIZE
		}
	}
	buf := make([]byte, total)
	rest := buf
	for _, v := range vec {
		if v.length == 0 {
			continue
		}
		if errno := t.ReadMemory(v.base, rest[:v.length]); errno != 0 {
			return nil, errno
		}
		rest = rest[v.length:]
	}
	return buf, 0
}
