package proc

import (
	"bytes"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

var socketLink = []byte("socket:[")

// linkBuffer holds the link of a socket: "socket:[18446744073709551615]" has 29 bytes.
type linkBuffer [32]byte

// inode is that of the socket whose link has n bytes.
func (l *linkBuffer) inode(n int) (uint64, unix.Errno) {
	rest, ok := bytes.CutPrefix(l[:n], socketLink)
	if !ok {
		return 0, unix.ENOTSOCK
	}
	ino, _ := leadingNumber(rest, 10)
	return ino, 0
}

// notOpen is what a descriptor's link that is not there means.
func notOpen(e unix.Errno) unix.Errno {
	if e == unix.ENOENT {
		return unix.EBADF
	}
	return e
}

// SocketInode is the sockfs inode of descriptor fd of task tid. EBADF: not
// open. ENOTSOCK: open, and no socket.
func SocketInode(tid int, fd int32) (uint64, unix.Errno) {
	if fd < 0 {
		return 0, unix.EBADF
	}
	var path pathBuffer
	path.task(tid, "/fd/").number(int64(fd))
	var link linkBuffer
	n, _, e := unix.Syscall6(unix.SYS_READLINKAT, atFDCWD, uintptr(unsafe.Pointer(path.path())), uintptr(unsafe.Pointer(&link[0])), uintptr(len(link)), 0, 0)
	if e != 0 {
		return 0, notOpen(e)
	}
	return link.inode(int(n))
}

// inodeOf is SocketInode of a file of this process's.
func inodeOf(file int) (uint64, unix.Errno) {
	var st unix.Stat_t
	err := unix.Fstat(file, &st)
	switch {
	case err != nil:
		return 0, Errno(err)
	case st.Dev != sockfs():
		return 0, unix.ENOTSOCK // the name of an AF_UNIX socket, opened with O_PATH, say
	}
	return st.Ino, 0
}

// sockfs is the device number of the file system of sockets, the same for all of them; 0:
// it could not be found out.
var sockfs = sync.OnceValue(func() uint64 {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Dev
})

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

// protocolOf is SocketProtocol of a file of this process's.
func protocolOf(file int) (string, unix.Errno) {
	var name [32]byte
	n, _, e := unix.Syscall6(unix.SYS_FGETXATTR, uintptr(file), uintptr(unsafe.Pointer(&sockProtoName[0])),
		uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), 0, 0)
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

// StatusFlags are the file status flags of descriptor fd of task tid, as F_GETFL tells.
func StatusFlags(tid int, fd int32) (int, unix.Errno) {
	flags, e := openFlags(tid, fd)
	return flags &^ unix.O_CLOEXEC, e
}

// CloseOnExec says whether descriptor fd of task tid has FD_CLOEXEC.
func CloseOnExec(tid int, fd int32) (bool, unix.Errno) {
	flags, e := openFlags(tid, fd)
	return flags&unix.O_CLOEXEC != 0, e
}

// openFlags are the flags of a descriptor from fdinfo (proc_pid_fdinfo(5): octal).
func openFlags(tid int, fd int32) (int, unix.Errno) {
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
