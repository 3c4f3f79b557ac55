package ptrace

import (
	"netbox/seccomp"
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// phase is where a task is, between two stops.
//
//	running ──seccomp-stop──► (handler) ──► running          Done, Fail, Native
//	                              │ invoke
//	                              ├──────► inCall ──syscall-exit-stop──► (leave)
//	                              │                     │ chain       └► running
//	                              │                     ▼
//	                              │◄─seccomp-stop── rewound
//	                              └ wait for a gate or a control socket
//	                                └────► parked ──► inCall
type phase uint8

const (
	running phase = iota // in user mode, or in a call that is its own
	inCall               // in a call that ends in a syscall-exit-stop
	rewound              // about to make its trapped call again, see chain
	parked               // held in a seccomp-stop until another task is through
)

// stopped says which stop a task is held in while the engine works on it.
type stopped uint8

const (
	atEntry stopped = iota // seccomp-stop
	atExit                 // syscall-exit-stop
)

// operation is what a verdict other than Done and Fail has the task do: calls
// of the kernel's, run in the task.
type operation interface {
	// enter starts the next call. Precondition: seccomp-stop.
	enter(t *task)
	// leave takes the call's result. Precondition: syscall-exit-stop.
	leave(t *task, ret int64)
	// drop lets go of everything: the task is gone.
	drop(t *task)
}

// task is one thread. It is used by the engine's thread only.
type task struct {
	e    *Engine
	tid  int
	proc *process
	kept *proc.Thread

	phase phase
	at    stopped
	op    operation // nil in phase running
	call  trap.Call
	saved regs // at the seccomp-stop, as the program made the call
	work  regs // as changed

	native    nativeRun
	wait      waitRun
	receive   receiveRun
	install   installRun
	scratch   scratch
	timed     timedWait
	ignored   undisturbed
	masked    bool   // all signals are blocked, see chain
	keepMask  uint64 // the program's mask meanwhile
	listening bool   // in a group-stop
	passing   bool   // the front lets the kernel run the call
	awaited   bool   // was interrupted for a watch, and has not stopped yet
	disturbed bool   // the same, and PTRACE_EVENT_STOP has not come yet
}

// process is a thread group.
type process struct {
	pid     int
	threads int
	// control is the number of the hidden control descriptor, as far as is
	// known: the program may have closed or replaced it.
	control int32
	// polls says that a stop at poll(2) may be ours: a thread, or the process that
	// this one was forked from, has begun to load the filter for it. guarded says
	// that it is loaded.
	polls, guarded bool
	watch          watch
}

// The trap.Task interface.

func (t *task) TID() int     { return t.tid }
func (t *task) PID() int     { return t.proc.pid }
func (t *task) Name() string { return proc.Name(t.tid) }

func (t *task) ReadMemory(addr uint64, p []byte) unix.Errno { return proc.ReadMemory(t.tid, addr, p) }

func (t *task) WriteMemory(addr uint64, p []byte) unix.Errno { return proc.WriteMemory(t.tid, addr, p) }

func (t *task) ReadPath(addr uint64) ([]byte, unix.Errno) {
	return proc.ReadPath(t.tid, addr, t.e.path[:])
}

func (t *task) Path(fd int32) ([]byte, unix.Errno) {
	n, e := t.kept.Path(fd, t.e.target[:])
	return t.e.target[:n], e
}

func (t *task) Inode(fd int32) (uint64, unix.Errno) { return t.kept.Inode(fd) }

func (t *task) Borrow(fd int32) (int, unix.Errno) { return t.kept.Borrow(fd) }

func (t *task) StatusFlags(fd int32) (int, unix.Errno) { return t.kept.StatusFlags(fd) }

func (t *task) Protocol(fd int32) (string, unix.Errno) { return t.kept.Protocol(fd) }

func (t *task) CloseOnExec(fd int32) (bool, unix.Errno) { return proc.CloseOnExec(t.tid, fd) }

// resume lets the task go on from whatever stop it is in, with signal sig in
// a signal-delivery-stop.
func (t *task) resume(sig unix.Signal) {
	t.e.watchDue(t)
	req := unix.PTRACE_CONT
	if t.phase == inCall || t.phase == running && t.proc.watch.on() {
		req = unix.PTRACE_SYSCALL
	}
	t.e.check("resume", t.tid, request(req, t.tid, 0, uintptr(sig)))
}

// begin applies verdict v to the task, held at t.at.
func (t *task) begin(v trap.Verdict) {
	switch v.Kind {
	case trap.KindDone:
		t.finish(v.Value)
		return
	case trap.KindFail:
		t.finish(-int64(v.Errno))
		return
	case trap.KindNative:
		if v.Native == nil || v.Native.Args == nil && v.Native.Then == nil {
			t.pass()
			return
		}
		t.native = nativeRun{n: v.Native}
		t.op = &t.native
	case trap.KindWait:
		if t.e.front == nil && v.Wait.Soon != nil && t.e.soon.await(v.Wait) {
			t.begin(v.Wait.Again(t, true))
			return
		}
		t.wait = waitRun{w: v.Wait}
		t.op = &t.wait
	case trap.KindReceive:
		t.receive = receiveRun{r: v.Receive}
		t.op = &t.receive
	case trap.KindInstall:
		t.install = installRun{in: v.Install, fd: -1}
		t.op = &t.install
	case trap.KindLend:
		if t.lend(v.Lend) {
			return
		}
	case trap.KindClose:
		t.install = installRun{fd: v.Close.FD, stage: undo, after: v.Close.Next}
		t.op = &t.install
	}
	t.proceed()
}

// lend goes on with a copy of the descriptor, and says whether it had one: else the
// task is to send it.
func (t *task) lend(l *trap.Lend) bool {
	file, e := t.Borrow(l.FD)
	if e != unix.EPERM && e != unix.ENOSYS {
		t.begin(lent(t, l, file, e))
		return true
	}
	t.install = installRun{lend: l, fd: -1}
	t.op = &t.install
	return false
}

// proceed enters the operation, at once or by way of chain.
func (t *task) proceed() {
	if t.at == atEntry {
		t.op.enter(t)
		return
	}
	t.chain()
}

// pass lets the kernel run the call as the program made it.
// Precondition: seccomp-stop.
func (t *task) pass() {
	t.unmask()
	t.op, t.phase = nil, running
	if t.work != t.saved {
		t.work = t.saved
		t.write()
	}
	t.resume(0)
}

// invoke lets the kernel run another call than the trapped one, up to its
// syscall-exit-stop. Precondition: seccomp-stop.
func (t *task) invoke(nr int, args *[6]uint64) {
	t.work = t.saved
	t.work.setCall(nr, args)
	t.write()
	t.announce(nr, args)
	t.phase = inCall
	t.resume(0)
}

// chain makes the task run its trapped call again, so that the next call of
// the operation can be entered from a new seccomp-stop. Signals are blocked
// on the way: a handler that runs in between would be taken for the program's
// call. Precondition: syscall-exit-stop.
func (t *task) chain() {
	if !t.masked {
		all := ^uint64(0)
		t.e.check("PTRACE_GETSIGMASK", t.tid, sigmask(unix.PTRACE_GETSIGMASK, t.tid, &t.keepMask))
		t.e.check("PTRACE_SETSIGMASK", t.tid, sigmask(unix.PTRACE_SETSIGMASK, t.tid, &all))
		t.masked = true
	}
	t.work = t.saved
	t.work.setAgain(t.stepNR())
	t.write()
	t.phase = rewound
	t.e.stats.Chained++
	t.resume(0)
}

// stepNR is the number of a call that brings the task to a seccomp-stop.
func (t *task) stepNR() int {
	if t.e.front != nil {
		return seccomp.StepNR
	}
	return t.call.NR
}

// unmask ends the blocking of signals that chain began.
func (t *task) unmask() {
	if t.masked {
		t.masked = false
		t.e.check("PTRACE_SETSIGMASK", t.tid, sigmask(unix.PTRACE_SETSIGMASK, t.tid, &t.keepMask))
	}
}

// finish ends the trapped call with ret.
func (t *task) finish(ret int64) {
	t.work = t.saved
	if t.at == atEntry {
		t.work.setSkipped(ret)
	} else {
		t.work.setReturned(ret)
	}
	t.release()
}

// interrupt ends the trapped call as one that a signal interrupted, with one
// of the kernel's restart codes. Precondition: syscall-exit-stop.
func (t *task) interrupt(code int64) {
	t.work = t.saved
	t.work.setInterrupted(t.call.NR, code)
	t.release()
}

func (t *task) release() {
	t.write()
	t.unmask()
	t.op, t.phase = nil, running
	t.resume(0)
}

func (t *task) write() { t.e.check("set registers", t.tid, t.work.set(t.tid)) }

// abandon lets go of an operation in flight: the thread is gone.
func (t *task) abandon() {
	if t.op != nil {
		op := t.op
		t.op, t.phase = nil, running
		op.drop(t)
	}
}
