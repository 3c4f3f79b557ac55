package seccomp

import (
	"slices"

	libseccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// StepNR is the number of no system call on any machine. Under the filter of
// [BuildNotify] it brings a task to a seccomp-stop: so the tracer gets a task
// whose call it makes in steps from one step to the next. A program that calls
// it gets ENOSYS.
const StepNR = x32Bit - 1

// BuildNotify is [Build] for an engine that is told of calls by notifications
// (seccomp_unotify(2)).
func BuildNotify(o Options) (Filter, error) {
	return build(table(o), libseccomp.ActionUserNotify, step)
}

// step is the leaf of StepNR.
var step = leaf{StepNR, rule{act: look}}

// BuildDebuggable is [BuildNotify] for tasks that have no tracer, or one in the box.
// It has no SECCOMP_RET_TRACE: the call would be that tracer's to let through.
func BuildDebuggable(o Options) (Filter, error) {
	return build(debuggable(table(o)), libseccomp.ActionUserNotify)
}

// debuggable is rules for tasks that may trace each other. What a tracer does with
// a task that it has is not trapped: the task is of the box.
func debuggable(rules []rule) []rule {
	list := slices.Clone(rules)
	for i, r := range list {
		switch {
		case r.act == look:
			list[i].act = trap
		case r.name == "ptrace":
			list[i].act, list[i].when = trap, [][]test{
				{{arg: 0, op: equal32, val: unix.PTRACE_ATTACH}}, {{arg: 0, op: equal32, val: unix.PTRACE_SEIZE}},
			}
		}
	}
	return list
}

// Notified says whether the filter of [BuildNotify] notifies of call nr with
// these arguments.
func (o Options) Notified(nr int, args *[6]uint64) bool {
	for _, r := range notified[o][nr] {
		if r.matches(args) {
			return true
		}
	}
	return false
}

// NeverWaits says that the kernel has no caller of nr wait, of the trapped calls on
// sockets and those that make epoll sets: they do not fail with EINTR.
func NeverWaits(nr int) bool {
	switch nr {
	case unix.SYS_EPOLL_CREATE1, legacyEpollCreate:
		return true
	case unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_SHUTDOWN, unix.SYS_IOCTL,
		unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT:
		return true
	}
	return false
}

func (r rule) matches(args *[6]uint64) bool {
	if len(r.when) == 0 {
		return true
	}
	for _, tests := range r.when {
		all := true
		for _, t := range tests {
			all = all && t.holds(args[t.arg])
		}
		if all {
			return true
		}
	}
	return false
}

func (t test) holds(register uint64) bool {
	low := uint32(register)
	switch t.op {
	case nonzero:
		return register != 0
	case zero:
		return register == 0
	case equal32:
		return low == t.val
	case differs32:
		return low != t.val
	case from32:
		return low >= t.val
	case upto32:
		return low <= t.val
	case anyBit32:
		return low&t.val != 0
	default: // noBit32
		return low&t.val == 0
	}
}
