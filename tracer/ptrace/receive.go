package ptrace

import (
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// receiveRun is the operation of trap.Receive: recvmsg(2) with a header of
// the engine's in scratch memory.
type receiveRun struct {
	r       *trap.Receive
	holding *gate // entered, not yet left
	queued  *gate
}

func (o *receiveRun) enter(t *task) {
	if o.r.Gate != nil && o.holding == nil && !o.enterGate(t) {
		return
	}
	if o.r.Check != nil {
		if v := o.r.Check(t); v != nil {
			o.leaveGate(t)
			t.begin(*v)
			return
		}
	}
	m := message{iov: o.r.IOV, iovLen: o.r.IOVLen, buf: o.r.Buf, bufLen: o.r.BufLen, control: o.r.Rights}
	addr, e := m.lay(t)
	if e == unix.ESRCH {
		o.leaveGate(t)
		return
	}
	if e != 0 {
		o.leaveGate(t)
		t.finish(-int64(e))
		return
	}
	flags := o.r.Flags
	if o.r.Rights && o.r.CloseOnExec {
		flags |= unix.MSG_CMSG_CLOEXEC
	}
	t.e.stats.Receives++
	if flags&unix.MSG_DONTWAIT == 0 {
		t.unmask() // else a signal would end the call in its notification
	}
	t.invoke(unix.SYS_RECVMSG, &[6]uint64{uint64(o.r.FD), addr, uint64(uint32(flags))})
}

func (o *receiveRun) leave(t *task, ret int64) {
	if interrupted(ret) || ret == -eINTR {
		t.giveBack()
		o.leaveGate(t)
		t.interrupt(restartCode(ret))
		return
	}
	flags, fd := 0, int32(-1)
	if ret >= 0 {
		flags, fd = received(t)
	}
	t.giveBack()
	v := o.r.Then(t, ret, flags, fd)
	o.leaveGate(t)
	if v.Kind == trap.KindFail && fd >= 0 {
		// As accept(2) does that cannot store the address.
		t.install = installRun{fd: fd, stage: undo, after: v}
		t.op = &t.install
		t.proceed()
		return
	}
	t.begin(v)
}

func (o *receiveRun) drop(t *task) { o.leaveGate(t) }

// gate lets one task at a time through. Those that wait are parked in their
// seccomp-stop, first come, first served.
type gate struct {
	key   any
	held  bool
	queue []*task
}

// enterGate says whether the task may go on; if not it was parked.
func (o *receiveRun) enterGate(t *task) bool {
	g := t.e.gates[o.r.Gate]
	if g == nil {
		g = &gate{key: o.r.Gate}
		t.e.gates[o.r.Gate] = g
	}
	if g.held {
		g.queue = append(g.queue, t)
		o.queued = g
		t.phase = parked
		t.e.stats.Parked++
		return false
	}
	g.held, o.holding = true, g
	if t.e.front != nil {
		t.e.front.EnterGate(g.key)
	}
	return true
}

// leaveGate lets the next task in, or takes a parked one out of the queue.
func (o *receiveRun) leaveGate(t *task) {
	if g := o.queued; g != nil {
		o.queued = nil
		g.queue = without(g.queue, t)
	}
	g := o.holding
	if g == nil {
		return
	}
	o.holding = nil
	if len(g.queue) == 0 {
		delete(t.e.gates, g.key)
		if t.e.front != nil {
			t.e.front.LeaveGate(g.key)
		}
		return
	}
	next := g.queue[0]
	g.queue = g.queue[1:]
	next.receive.queued, next.receive.holding = nil, g
	next.op.enter(next)
}

func without(q []*task, t *task) []*task {
	for i, x := range q {
		if x == t {
			return append(q[:i], q[i+1:]...)
		}
	}
	return q
}
