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
		t.apply(e.handler.Handle(t, t.f.call))
	}
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
	case trap.KindClose:
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
// arguments, or come back afterwards.
func (t *task) native(v trap.Verdict) (trap.Verdict, bool) {
	n := v.Native
	switch {
	case n == nil || n.Args == nil && n.Then == nil:
		t.letGo()
		t.e.stats.continued.Add(1)
		t.become(continued) // before a signal can interrupt it
		t.e.listener.send(&response{id: t.f.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
	case t.f.call.NR == unix.SYS_SHUTDOWN && n.Args != nil && n.Then != nil:
		return t.shutdown(n), true
	default:
		t.handOver(v)
	}
	return trap.Verdict{}, false
}

// shutdown is shutdown(2) with other arguments. It acts on the file, whoever makes
// the call.
func (t *task) shutdown(n *trap.Native) trap.Verdict {
	file, errno := t.Borrow(int32(n.Args[0]))
	if errno != 0 {
		return n.Then(t, -int64(errno))
	}
	defer unix.Close(file)
	_, _, errno = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(file), uintptr(n.Args[1]), 0)
	return n.Then(t, -int64(errno))
}

// handOver gives the call to the loop.
func (t *task) handOver(v trap.Verdict) {
	t.letGo()
	e := t.e
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
