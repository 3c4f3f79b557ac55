package notify

import (
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// notified handles a notification, up to its answer, a nap, or the hand-over.
func (e *Engine) notified(n *notification) {
	e.stats.notified.Add(1)
	t, what := e.begin(n)
	switch what {
	case stranger:
		e.stats.strangers.Add(1)
		e.listener.send(&response{id: n.id, errno: -int32(unix.ENOSYS)})
	case pass:
		e.stats.passed.Add(1)
		e.listener.send(&response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
	default:
		t.apply(e.judge(t))
	}
}

// judge asks for the verdict on a new call.
func (e *Engine) judge(t *task) trap.Verdict {
	if e.free() {
		e.settleFollowed(t.th.tid)
		if pid, foreign := target(t.f.call); foreign {
			return e.guard(t, pid)
		}
	}
	return e.handler.Handle(t, t.f.call)
}

// apply acts on verdicts until the flight is no longer being handled. From then
// on the task may be another goroutine's.
func (t *task) apply(v trap.Verdict) {
	for more := true; more; {
		v, more = t.step(v)
	}
}

// step acts on one verdict; more is false if that was the last one for now, and
// the task's buffers are let go.
func (t *task) step(v trap.Verdict) (next trap.Verdict, more bool) {
	switch v.Kind {
	case trap.KindDone:
		t.answer(v.Value)
	case trap.KindFail:
		t.answer(-int64(v.Errno))
	case trap.KindNative:
		return t.native(v)
	case trap.KindInstall:
		return t.install(v)
	case trap.KindWait:
		if t.rested {
			t.handOver(v)
			break
		}
		return t.nap(v.Wait)
	case trap.KindReceive:
		return t.receive(v.Receive)
	case trap.KindLend:
		return t.lend(v.Lend), true
	case trap.KindClose:
		if t.e.free() { // nobody but the task can close its descriptor
			return v.Close.Next, true
		}
		t.handOver(v)
	}
	return trap.Verdict{}, false
}

// maxErrno is MAX_ERRNO (<linux/err.h>).
const maxErrno = 4095

// answer ends the call with value, -errno for a failure.
func (t *task) answer(value int64) {
	t.letGo()
	r := response{id: t.f.id, value: value}
	if value < 0 && value >= -maxErrno {
		r.value, r.errno = 0, int32(value)
	}
	t.e.stats.answered.Add(1)
	t.e.loop.Settle()
	t.e.listener.send(&r) // ENOENT: killed
	t.become(over)
}

// native lets the kernel run the call. Only the task itself can do so with other
// arguments, or come back afterwards, if the call does not act on the file alone.
func (t *task) native(v trap.Verdict) (trap.Verdict, bool) {
	n := v.Native
	if n == nil || n.Args == nil && n.Then == nil {
		t.pass()
		return trap.Verdict{}, false
	}
	if do := t.fileCall(); do != nil {
		return t.onFile(n, do), true
	}
	if t.e.free() {
		return t.perform(n)
	}
	t.handOver(v)
	return trap.Verdict{}, false
}

// pass lets the kernel run the call as the program made it.
func (t *task) pass() {
	t.letGo()
	t.e.stats.continued.Add(1)
	t.become(continued) // before a signal can interrupt it
	t.e.listener.send(&response{id: t.f.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// fileCall makes a call that acts on the file, whoever makes it; nil: another call.
func (t *task) fileCall() func(file int, args *[6]uint64) unix.Errno {
	switch t.f.call.NR {
	case unix.SYS_SHUTDOWN:
		return shutdown
	case unix.SYS_SETSOCKOPT:
		return t.setOption
	case unix.SYS_GETSOCKOPT:
		return t.getOption
	}
	return nil
}

// shutdown is shutdown(2).
func shutdown(file int, args *[6]uint64) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(file), uintptr(args[1]), 0)
	return errno
}

// onFile has do make the call on a copy of the task's descriptor.
func (t *task) onFile(n *trap.Native, do func(file int, args *[6]uint64) unix.Errno) trap.Verdict {
	args := t.arguments(n)
	file, errno := t.Borrow(int32(args[0]))
	if errno == 0 {
		errno = do(file, args)
		unix.Close(file)
	}
	return t.returned(n, -int64(errno))
}

// arguments are those that the call is to be made with.
func (t *task) arguments(n *trap.Native) *[6]uint64 {
	if n.Args != nil {
		return n.Args
	}
	return &t.f.call.Args
}

// returned goes on with a call that was made.
func (t *task) returned(n *trap.Native, ret int64) trap.Verdict {
	switch {
	case n.Then != nil:
		return n.Then(t, ret)
	case ret < 0:
		return trap.Fail(unix.Errno(-ret))
	}
	return trap.Done(ret)
}

// handOver gives the call to the loop.
func (t *task) handOver(v trap.Verdict) {
	t.letGo()
	e := t.e
	if e.free() { // there is no loop: what nobody can do is not there
		discard(v)
		t.answer(-int64(unix.ENOSYS))
		return
	}
	e.stats.handedOver.Add(1)
	e.mu.Lock()
	lives := t.livesLocked()
	if lives {
		t.f.state, t.f.v = due, v
	}
	e.mu.Unlock()
	if !lives {
		discard(v)
		return
	}
	e.loop.HandOver(t.th.tid)
}
