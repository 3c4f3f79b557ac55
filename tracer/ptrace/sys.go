package ptrace

import (
	"unsafe"

	"netbox/tracer/block"

	"golang.org/x/sys/unix"
)

// options are the PTRACE_O_* flags that a tracee is seized with, and its
// descendants inherit.
const options = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESYSGOOD |
	unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE |
	unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESECCOMP

// The calls below are raw: none of them blocks, and a task waits stopped
// while the Go scheduler would be told. An errno of ESRCH is normal at each
// of them: a task that was reported stopped may have been killed since
// (ptrace(2), "Death under ptrace").

//go:uintptrescapes
func request(req, tid int, addr, data uintptr) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), addr, data, 0, 0)
	return e
}

// eventMessage is the PTRACE_GETEVENTMSG value of the current event-stop.
func eventMessage(tid int) (int, unix.Errno) {
	var msg uint64
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETEVENTMSG, uintptr(tid), 0, uintptr(unsafe.Pointer(&msg)), 0, 0)
	return int(msg), e
}

// sigsetLen is sizeof(sigset_t) in the kernel: 64 signals.
const sigsetLen = 8

func sigmask(req, tid int, set *uint64) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), sigsetLen, uintptr(unsafe.Pointer(set)), 0, 0)
	return e
}

// Parts of a wait status of a stopped tracee, as ptrace(2) spells them.
// unix.WaitStatus.TrapCause knows no group-stop.

func stopSignal(ws unix.WaitStatus) unix.Signal { return unix.Signal(uint32(ws) >> 8 & 0xff) }

func stopEvent(ws unix.WaitStatus) int { return int(uint32(ws) >> 16) }

// syscallStop is the signal of a syscall-stop under PTRACE_O_TRACESYSGOOD.
const syscallStop = unix.SIGTRAP | 0x80

// wait4 waits for the children and tracees of this thread alone: children
// that other threads started, such as the ICMP helper, are not ours to reap.
func wait4(tid int, ws *unix.WaitStatus, flags int) (int, unix.Errno) {
	var status uint32
	pid, e := block.Wait4(tid, &status, flags|unix.WALL|wNoThread)
	*ws = unix.WaitStatus(status)
	return pid, e
}

// wNoThread is __WNOTHREAD of <linux/wait.h>.
const wNoThread = 0x20000000

// hasChildren says whether this thread has children, whose ends Run would
// take for tasks', and wait for.
func hasChildren() bool {
	return unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL|wNoThread, nil) != unix.ECHILD
}

// quietStops keeps SIGCHLD from this process, for each stop and each end of a task:
// wait4 wakes up without it, and Go's runtime has a handler for that signal, which runs
// on some thread that slept. By its default it is thrown away; children are to be waited
// for all the same.
func quietStops() error {
	byDefault := sigaction{flags: saNoChildStop}
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(&byDefault)), 0, sigsetLen, 0, 0); e != 0 {
		return e
	}
	return nil
}

// sigaction is the kernel's struct of that name, on amd64 and arm64.
type sigaction struct{ handler, flags, restorer, mask uint64 }

// saNoChildStop is SA_NOCLDSTOP of <asm-generic/signal-defs.h>.
const saNoChildStop = 1
