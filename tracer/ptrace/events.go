package ptrace

import (
	"netbox/seccomp"
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// dispatch handles one stop. On return the task runs again, or is parked, or
// listens in a group-stop.
func (e *Engine) dispatch(t *task, ws unix.WaitStatus) {
	sig, event := stopSignal(ws), stopEvent(ws)
	t.proc.watch.stopped(t)
	switch {
	case event == unix.PTRACE_EVENT_SECCOMP:
		e.seccompStop(t)
	case sig == syscallStop:
		e.exitStop(t)
	case event == unix.PTRACE_EVENT_STOP:
		t.undisturb()
		e.eventStop(t, sig)
	case event == unix.PTRACE_EVENT_EXEC:
		e.execStop(t)
	case event != 0: // fork, vfork, clone
		e.stats.Events++
		e.childStop(t)
		t.resume(0)
	default:
		e.stats.Signals++
		e.settle(t)
		t.timed.signalled(t, sig)
		t.ignored.signalled(t, sig)
		t.resume(sig)
	}
}

// seccompStop handles a call that the filter traps, or the next step of an
// operation that made the task run it again.
func (e *Engine) seccompStop(t *task) {
	t.at = atEntry
	if t.phase == rewound {
		t.op.enter(t)
		return
	}
	e.stats.Traps++
	if errno := t.saved.get(t.tid); errno != 0 {
		e.check("PTRACE_GETREGS", t.tid, errno)
		return
	}
	t.work = t.saved
	t.call = trap.Call{NR: t.saved.nr(), Args: t.saved.args()}
	switch {
	case !e.traps.Trapped(t.call.NR) && !(t.proc.polls && seccomp.Polls(t.call.NR)):
		// A filter that the program loaded wants a tracer. It has none.
		e.stats.Foreign++
		t.finish(-int64(unix.ENOSYS))
	case t.call.NR == unix.SYS_PROCESS_VM_READV || t.call.NR == unix.SYS_PROCESS_VM_WRITEV:
		e.foreignMemory(t)
	default:
		t.begin(e.handler.Handle(t, t.call))
	}
}

// foreignMemory lets process_vm_readv(2) and process_vm_writev(2) reach the
// processes of the box only. In a pid namespace of the program's own numbers
// differ, and only its own number for itself is known.
func (e *Engine) foreignMemory(t *task) {
	pid := int(t.call.Int32(0))
	if e.tasks[pid] != nil || pid == proc.InnermostPID(t.tid) {
		t.pass()
		return
	}
	e.stats.Refused++
	t.finish(-int64(unix.EPERM))
}

func (e *Engine) exitStop(t *task) {
	e.stats.Exits++
	t.announced()
	if t.phase != inCall || t.op == nil {
		e.watchedStop(t)
		return
	}
	t.at = atExit
	if errno := t.work.get(t.tid); errno != 0 {
		e.check("PTRACE_GETREGS", t.tid, errno)
		return
	}
	t.op.leave(t, t.work.ret())
}

// eventStop handles PTRACE_EVENT_STOP: the first stop of a new task, a
// group-stop, or the end of one.
func (e *Engine) eventStop(t *task, sig unix.Signal) {
	switch sig {
	case unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		e.stats.Groups++
		e.check("PTRACE_LISTEN", t.tid, request(unix.PTRACE_LISTEN, t.tid, 0, 0))
		if t.tid == e.main && !t.listening && e.stopped != nil {
			e.stopped(sig)
		}
		t.listening = true
		if t.op == &t.install {
			t.install.yield(t)
		}
	default:
		t.listening = false
		if !e.settle(t) {
			t.resume(0)
		}
	}
}

// childStop handles the event of a fork, vfork or clone: the child is entered
// as a thread of its parent or as a process of its own.
func (e *Engine) childStop(t *task) {
	child, errno := eventMessage(t.tid)
	if errno != 0 {
		e.check("PTRACE_GETEVENTMSG", t.tid, errno)
		return
	}
	if c := e.tasks[child]; c != nil {
		// Its first stop came first, and its parent was not known then.
		if c.proc.pid == child && c.proc != t.proc && c.proc.control == e.first {
			c.proc.control = t.proc.control
		}
		return
	}
	if proc.HasThread(t.proc.pid, child) {
		e.add(child, t.proc.pid, 0)
	} else if proc.Alive(child) {
		p := e.add(child, child, t.proc.control).proc
		p.polls, p.guarded = t.proc.polls, t.proc.guarded
	}
}

// execStop handles execve(2). All other threads of the process are gone; if
// one of them called it, it has taken the leader's number over, and no exit is
// reported for either (ptrace(2), "execve(2) under ptrace").
func (e *Engine) execStop(t *task) {
	e.stats.Events++
	former, errno := eventMessage(t.tid)
	if errno != 0 {
		e.check("PTRACE_GETEVENTMSG", t.tid, errno)
		return
	}
	t.abandon()
	if former != t.tid {
		t.kept.Close() // the leader's
		t.kept = proc.NewThread(t.tid, t.proc.pid)
		if other := e.tasks[former]; other != nil {
			other.abandon()
			other.kept.Close()
			t.proc.watch.stopped(other)
			t.masked = false
			delete(e.tasks, former)
			if e.front != nil {
				e.front.Gone(former)
			}
			t.proc.threads--
		}
	}
	if e.front != nil {
		e.front.Gone(t.tid)
		e.front.Known(t.tid, t.proc.pid)
	}
	e.enterImage(t)
}

// enterImage looks at the program that was executed, before its first
// instruction. The calls of a 32-bit one would all fail with ENOSYS: better to
// say so.
func (e *Engine) enterImage(t *task) {
	if errno := t.work.get(t.tid); errno != 0 {
		e.check("PTRACE_GETREGS", t.tid, errno)
		return
	}
	if t.work.foreign() {
		e.log.Error("killed: this is an "+foreignABI+" program, and only 64-bit ones can run in the box", "program", t.Name(), "pid", t.proc.pid)
		unix.Kill(t.proc.pid, unix.SIGKILL)
	}
	t.resume(0)
}
