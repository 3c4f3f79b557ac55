package notify

import (
	"encoding/binary"
	"unsafe"

	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// perform makes a call with other arguments, or one whose result is the emulation's
// to correct, for a task that nobody can make to: on a copy of its descriptor. What
// can't be had that way is ENOSYS.
func (t *task) perform(n *trap.Native) (trap.Verdict, bool) {
	switch nr := t.f.call.NR; {
	case nr == unix.SYS_SHUTDOWN:
		return t.shutdown(n), true
	case nr == unix.SYS_SETSOCKOPT:
		return t.onFile(n, t.setOption), true
	case nr == unix.SYS_GETSOCKOPT:
		return t.onFile(n, t.getOption), true
	case nr == unix.SYS_SENDTO, nr == unix.SYS_SENDMSG, nr == unix.SYS_SENDMMSG:
		return t.send(n), true
	case nr == unix.SYS_RECVFROM, nr == unix.SYS_RECVMSG:
		return t.read(n), true
	case nr == unix.SYS_BIND && n.Args == nil:
		return t.follow(n.Then)
	case nr == unix.SYS_RECVMMSG && n.Args == nil, n.Args == nil && opens(nr):
		// Of a connection that is over, whose errno may be another; and of a path that
		// does not tell where it leads: who exchanges paths gets by there with any engine.
		t.pass()
		return trap.Verdict{}, false
	}
	return trap.Fail(unix.ENOSYS), true
}

// maxOption bounds an option's value, in bytes, and usualOption is room for those
// that a surrogate keeps by itself: struct timeval is the longest.
const (
	maxOption   = 4096
	usualOption = 16
)

// nowhere is an address that the kernel can't read.
const nowhere = 1

// setOption is setsockopt(2). The kernel says what is wrong with the value, also if
// it can't be read.
func (t *task) setOption(file int, args *[6]uint64) unix.Errno {
	length := int32(args[4])
	value := make([]byte, max(min(length, maxOption), 0), maxOption)
	if t.ReadMemory(args[3], value) != 0 {
		value = value[:min(len(value), usualOption)]
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(value)))
	if t.ReadMemory(args[3], value) != 0 {
		at = nowhere
	}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(file), uintptr(args[1]), uintptr(args[2]), at, uintptr(length), 0)
	return errno
}

// getOption is getsockopt(2).
func (t *task) getOption(file int, args *[6]uint64) unix.Errno {
	var raw [4]byte
	if errno := t.ReadMemory(args[4], raw[:]); errno != 0 {
		return errno
	}
	length := int32(binary.NativeEndian.Uint32(raw[:]))
	length = min(length, maxOption)
	value := make([]byte, maxOption)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(file), uintptr(args[1]), uintptr(args[2]),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return errno
	}
	if errno := t.WriteMemory(args[3], value[:length]); errno != 0 {
		return errno
	}
	binary.NativeEndian.PutUint32(raw[:], uint32(length))
	return t.WriteMemory(args[4], raw[:])
}

// target is the process that a call is aimed at; false if it is no such call.
func target(c trap.Call) (pid int, is bool) {
	switch c.NR {
	case unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV:
		return int(c.Int32(0)), true
	case unix.SYS_PTRACE:
		return int(c.Int32(1)), true
	}
	return 0, false
}

// guard lets a call reach processes of the box only. The arguments are registers,
// so the kernel acts on the number that was looked at; that it may have become another
// process's meanwhile, if this one has ended, is not to be had otherwise. A number
// in a pid namespace of the program's own is known only if it is its own.
func (e *Engine) guard(t *task, pid int) trap.Verdict {
	switch {
	case proc.Descends(pid, e.root), pid == proc.InnermostPID(t.th.tid):
		return trap.Run()
	case !proc.Alive(pid):
		return trap.Fail(unix.ESRCH)
	}
	return trap.Fail(unix.EPERM)
}
