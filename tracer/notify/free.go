package notify

import (
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// perform makes a call with other arguments, or one whose result is the emulation's
// to correct, for a task that nobody can make to: on a copy of its descriptor. What
// can't be had that way is ENOSYS.
func (t *task) perform(n *trap.Native) (trap.Verdict, bool) {
	switch nr := t.f.call.NR; {
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
