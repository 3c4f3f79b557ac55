package proc

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

var socketLink = []byte("socket:[")

// SocketInode is the sockfs inode of descriptor fd of task tid. EBADF: not
// open. ENOTSOCK: open, and no socket.
func SocketInode(tid int, fd int32) (uint64, unix.Errno) {
	if fd < 0 {
		return 0, unix.EBADF
	}
	var path pathBuffer
	path.task(tid, "/fd/").number(int64(fd))
	var link [32]byte // "socket:[18446744073709551615]" has 29
	n, _, e := unix.Syscall6(unix.SYS_READLINKAT, atFDCWD, uintptr(unsafe.Pointer(path.path())), uintptr(unsafe.Pointer(&link[0])), uintptr(len(link)), 0, 0)
	if e == unix.ENOENT {
		return 0, unix.EBADF
	}
	if e != 0 {
		return 0, e
	}
	rest, ok := bytes.CutPrefix(link[:n], socketLink)
	if !ok {
		return 0, unix.ENOTSOCK
	}
	ino, _ := leadingNumber(rest, 10)
	return ino, 0
}

// sockProtoName is XATTR_NAME_SOCKPROTONAME of the kernel's sockfs.
var sockProtoName = []byte("system.sockprotoname\x00")

// SocketProtocol is the name of the protocol (struct proto) of the socket that
// descriptor fd of task tid is, which sockfs has as an extended attribute: of that
// file, whoever looks, and without a copy of the descriptor.
func SocketProtocol(tid int, fd int32) (string, unix.Errno) {
	if fd < 0 {
		return "", unix.EBADF
	}
	var path pathBuffer
	path.task(tid, "/fd/").number(int64(fd))
	var name [32]byte // struct proto has as much
	n, _, e := unix.Syscall6(unix.SYS_GETXATTR, uintptr(unsafe.Pointer(path.path())), uintptr(unsafe.Pointer(&sockProtoName[0])),
		uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), 0, 0)
	if e == unix.ENOENT {
		return "", unix.EBADF
	}
	if e != 0 {
		return "", e
	}
	return unix.ByteSliceToString(name[:n]), 0
}

// FilePath writes to b where descriptor fd of task tid leads, or its working
// directory, and returns the length.
func FilePath(tid int, fd int32, b []byte) (int, unix.Errno) {
	var path pathBuffer
	switch {
	case fd == unix.AT_FDCWD:
		path.task(tid, "/cwd")
	case fd < 0:
		return 0, unix.EBADF
	default:
		path.task(tid, "/fd/").number(int64(fd))
	}
	n, _, e := unix.Syscall6(unix.SYS_READLINKAT, atFDCWD, uintptr(unsafe.Pointer(path.path())), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), 0
}

// StatusFlags are the flags of descriptor fd of task tid, from fdinfo
// (proc_pid_fdinfo(5): octal), with O_CLOEXEC, which F_GETFL does not show.
func StatusFlags(tid int, fd int32) (int, unix.Errno) {
	if fd < 0 {
		return 0, unix.EBADF
	}
	var path pathBuffer
	var buf [256]byte
	b, e := path.task(tid, "/fdinfo/").number(int64(fd)).read(buf[:])
	if e == unix.ENOENT {
		return 0, unix.EBADF
	}
	if e != 0 {
		return 0, e
	}
	v, ok := field(b, "flags:", 8)
	if !ok {
		return 0, unix.EIO
	}
	return int(v), 0
}
