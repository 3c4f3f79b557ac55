package ptrace

import (
	"bytes"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pathBuffer builds a NUL-terminated path under /proc on the stack.
type pathBuffer struct {
	b [64]byte
	n int
}

func (p *pathBuffer) task(tid int, rest string) *pathBuffer {
	b := append(p.b[:0], "/proc/"...)
	b = strconv.AppendInt(b, int64(tid), 10)
	b = append(b, rest...)
	p.n = len(b)
	return p
}

func (p *pathBuffer) number(n int64) *pathBuffer {
	p.n = len(strconv.AppendInt(p.b[:p.n], n, 10))
	return p
}

// path ends the path with NUL. The longest one, /proc/N/fdinfo/N with two
// ten-digit numbers, has 34 bytes.
func (p *pathBuffer) path() *byte {
	p.b[p.n] = 0
	return &p.b[0]
}

func (p *pathBuffer) open(flags int) (int, unix.Errno) {
	for {
		fd, _, e := unix.Syscall6(unix.SYS_OPENAT, atFDCWD, uintptr(unsafe.Pointer(p.path())), uintptr(flags|unix.O_CLOEXEC), 0, 0, 0)
		if e != unix.EINTR {
			return int(fd), e
		}
	}
}

func (p *pathBuffer) exists() bool {
	_, _, e := unix.RawSyscall(unix.SYS_FACCESSAT, atFDCWD, uintptr(unsafe.Pointer(p.path())), unix.F_OK)
	return e == 0
}

// read fills b from the start of the file.
func (p *pathBuffer) read(b []byte) ([]byte, unix.Errno) {
	fd, e := p.open(unix.O_RDONLY)
	if e != 0 {
		return nil, e
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, b)
	if err != nil {
		return nil, errnoOf(err)
	}
	return b[:n], 0
}

const atFDCWD = ^uintptr(99) // AT_FDCWD, -100

func errnoOf(err error) unix.Errno {
	if e, ok := err.(unix.Errno); ok {
		return e
	}
	return unix.EIO
}

var socketLink = []byte("socket:[")

// socketInode is the sockfs inode of descriptor fd of task tid. EBADF: not
// open. ENOTSOCK: open, and no socket.
func socketInode(tid int, fd int32) (uint64, unix.Errno) {
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

// filePath writes to b where descriptor fd of task tid leads, or its working
// directory, and returns the length.
func filePath(tid int, fd int32, b []byte) (int, unix.Errno) {
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

// statusFlags are the flags of descriptor fd of task tid, from fdinfo
// (proc_pid_fdinfo(5): octal, and with O_CLOEXEC, which F_GETFL does not show).
func statusFlags(tid int, fd int32) (int, unix.Errno) {
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
	return int(v) &^ unix.O_CLOEXEC, 0
}

// field is the number after name in a file of "name:\tnumber" lines.
func field(b []byte, name string, base uint64) (uint64, bool) {
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if len(line) > len(name) && string(line[:len(name)]) == name {
			return leadingNumber(bytes.TrimLeft(line[len(name):], "\t "), base)
		}
	}
	return 0, false
}

func leadingNumber(b []byte, base uint64) (uint64, bool) {
	var v uint64
	i := 0
	for i < len(b) && b[i] >= '0' && uint64(b[i]-'0') < base {
		v = v*base + uint64(b[i]-'0')
		i++
	}
	return v, i > 0
}

// threadGroup is the process that task tid belongs to.
func threadGroup(tid int) (int, bool) {
	var path pathBuffer
	var buf [512]byte // Tgid is among the first lines
	b, e := path.task(tid, "/status").read(buf[:])
	if e != 0 {
		return 0, false
	}
	v, ok := field(b, "Tgid:", 10)
	return int(v), ok
}

// taskName is /proc/TID/comm.
func taskName(tid int) string {
	var path pathBuffer
	var buf [64]byte // TASK_COMM_LEN is 16; a kernel worker's may be longer
	b, _ := path.task(tid, "/comm").read(buf[:])
	return string(bytes.TrimRight(b, "\n"))
}

// caught are the signals (bit n-1 for signal n) that task tid has handlers for.
func caught(tid int) uint64 { return signalSet(tid, "\nSigCgt:\t") }

// signalSet is the set of signals after name in /proc/TID/status.
func signalSet(tid int, name string) uint64 {
	var path pathBuffer
	var buf [2048]byte
	b, _ := path.task(tid, "/status").read(buf[:])
	_, b, ok := bytes.Cut(b, []byte(name))
	if !ok || len(b) < 16 {
		return 0
	}
	v, _ := strconv.ParseUint(string(b[:16]), 16, 64)
	return v
}

// innermostPID is the number of task tid's process in its own pid namespace.
func innermostPID(tid int) int {
	var path pathBuffer
	var buf [1024]byte
	b, _ := path.task(tid, "/status").read(buf[:])
	_, b, ok := bytes.Cut(b, []byte("\nNStgid:"))
	if !ok {
		return 0
	}
	b, _, _ = bytes.Cut(b, []byte("\n"))
	pid, _ := leadingNumber(b[bytes.LastIndexByte(b, '\t')+1:], 10)
	return int(pid)
}
