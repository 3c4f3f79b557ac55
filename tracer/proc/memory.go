package proc

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processVM runs process_vm_readv(2) or process_vm_writev(2) on one range.
// Short transfers are EFAULT.
func processVM(trapNR uintptr, tid int, addr uint64, p []byte) unix.Errno {
	if len(p) == 0 {
		return 0
	}
	local := unix.Iovec{Base: &p[0], Len: uint64(len(p))}
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(p)}
	n, _, e := unix.Syscall6(trapNR, uintptr(tid), uintptr(unsafe.Pointer(&local)), 1,
		uintptr(unsafe.Pointer(&remote)), 1, 0)
	if e == 0 && int(n) != len(p) {
		e = unix.EFAULT
	}
	return e
}

// ReadMemory fills p from addr of task tid.
func ReadMemory(tid int, addr uint64, p []byte) unix.Errno {
	e := processVM(unix.SYS_PROCESS_VM_READV, tid, addr, p)
	if refused(e) {
		e = procMem(tid, addr, p, unix.O_RDONLY)
	}
	return asFault(e)
}

// WriteMemory stores p at addr of task tid, as copy_to_user would.
func WriteMemory(tid int, addr uint64, p []byte) unix.Errno {
	e := processVM(unix.SYS_PROCESS_VM_WRITEV, tid, addr, p)
	if refused(e) {
		e = procMem(tid, addr, p, unix.O_WRONLY)
	}
	return asFault(e)
}

// WriteStack is WriteMemory for memory below the stack pointer. That may lie
// under the first page of the stack, which the kernel maps when /proc/TID/mem
// is written, but (since Linux 6.5) not for process_vm_writev.
func WriteStack(tid int, addr uint64, p []byte) unix.Errno {
	e := processVM(unix.SYS_PROCESS_VM_WRITEV, tid, addr, p)
	if e != 0 && e != unix.ESRCH {
		e = procMem(tid, addr, p, unix.O_WRONLY)
	}
	return asFault(e)
}

// refused says that a container's filter forbids process_vm_readv and
// process_vm_writev, or that the kernel has none.
func refused(e unix.Errno) bool { return e == unix.EPERM || e == unix.ENOSYS }

// asFault keeps ESRCH and makes anything else what a program would see.
func asFault(e unix.Errno) unix.Errno {
	if e == 0 || e == unix.ESRCH {
		return e
	}
	return unix.EFAULT
}

// procMem moves p through /proc/TID/mem. A write there goes to read-only
// mappings too (FOLL_FORCE).
func procMem(tid int, addr uint64, p []byte, flags int) unix.Errno {
	var path pathBuffer
	fd, e := path.task(tid, "/mem").open(flags)
	if e != 0 {
		return e
	}
	defer unix.Close(fd)
	for len(p) > 0 {
		var n int
		var err error
		if flags == unix.O_RDONLY {
			n, err = unix.Pread(fd, p, int64(addr))
		} else {
			n, err = unix.Pwrite(fd, p, int64(addr))
		}
		if err != nil || n == 0 {
			return unix.EFAULT
		}
		addr, p = addr+uint64(n), p[n:]
	}
	return 0
}

const (
	// PathMax is PATH_MAX, <linux/limits.h>: the longest path, with its NUL.
	PathMax = 4096
	// leastPage is the least page size of Linux's machines: a string may end
	// right before a page that is not mapped.
	leastPage = 4096
	// firstPart holds most paths whole.
	firstPart = 128
)

// ReadPath reads the string at addr of task tid into buf.
func ReadPath(tid int, addr uint64, buf []byte) ([]byte, unix.Errno) {
	n, part := 0, firstPart
	for n < len(buf) {
		part = min(part, len(buf)-n, leastPage-int((addr+uint64(n))%leastPage))
		if e := ReadMemory(tid, addr+uint64(n), buf[n:n+part]); e != 0 {
			return nil, e
		}
		if i := bytes.IndexByte(buf[n:n+part], 0); i >= 0 {
			return buf[:n+i], 0
		}
		n += part
		part = len(buf)
	}
	return nil, unix.ENAMETOOLONG
}
