package proc

import (
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

// read fills b from the start of the file.
func (p *pathBuffer) read(b []byte) ([]byte, unix.Errno) {
	fd, e := p.open(unix.O_RDONLY)
	if e != 0 {
		return nil, e
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, b)
	if err != nil {
		return nil, Errno(err)
	}
	return b[:n], 0
}

const atFDCWD = ^uintptr(99) // AT_FDCWD, -100

// Errno is the errno of an error of package unix; EIO of any other.
func Errno(err error) unix.Errno {
	if e, ok := err.(unix.Errno); ok {
		return e
	}
	return unix.EIO
}
