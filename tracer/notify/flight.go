package notify

import (
	"netbox/tracer/proc"
	"netbox/tracer/ptrace"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// state is what has become of a flight.
//
//	handling ──► over              answered, or the task was killed
//	   │  ▲  └─► continued         the kernel runs the call, or the loop
//	   │  └──── napping
//	   └──────► due ──► continued  handed over to the loop
type state uint8

const (
	handling state = iota
	napping
	due
	continued
	over
)

// flight is one notified call on its way.
type flight struct {
	id    uint64
	call  trap.Call
	state state
	v     trap.Verdict // for due
	nap   *nap         // for napping
	given bool         // the task has got a descriptor
}

// thread is a task that the loop knows. Guarded by Engine.mu, but for proc.Thread.
type thread struct {
	*proc.Thread
	tid, pid int
	flight   *flight   // the latest
	pass     trap.Call // see Pass
}

// Known enters a task.
func (e *Engine) Known(tid, pid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.threads[tid] = &thread{Thread: proc.NewThread(tid, pid), tid: tid, pid: pid}
}

// Gone removes a task that has ended.
func (e *Engine) Gone(tid int) {
	var left trap.Verdict
	e.mu.Lock()
	th := e.threads[tid]
	if th != nil && th.flight != nil {
		f := th.flight
		switch f.state {
		case napping:
			e.sleeper.cancelLocked(f.nap)
			f.state, f.nap = over, nil
		case due:
			left = f.v
			f.state, f.v = over, trap.Verdict{}
		}
	}
	delete(e.threads, tid)
	e.mu.Unlock()
	if th != nil {
		th.Close()
	}
	discard(left)
}

// Pass lets the next notification of tid be the kernel's if it is for call c.
func (e *Engine) Pass(tid int, c trap.Call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if th := e.threads[tid]; th != nil {
		th.pass = c
	}
}

// discard lets go of what a verdict holds that is not carried out.
func discard(v trap.Verdict) {
	if v.Kind == trap.KindClose {
		v = v.Close.Next
	}
	if v.Kind != trap.KindInstall {
		return
	}
	unix.Close(v.Install.File)
	if v.Install.Failed != nil {
		v.Install.Failed(unix.ESRCH)
	}
}

// beginning is what is to be done with a new notification.
type beginning uint8

const (
	ask      beginning = iota // the handler
	stranger                  // no task of the loop's: ENOSYS
	pass                      // announced by the loop
)

// begin enters a flight for a notification.
func (e *Engine) begin(n *notification) (*task, beginning) {
	f := &flight{id: n.id, call: n.call()}
	if e.free() { // who is under the filter is of the box
		return &task{e: e, th: &thread{Thread: proc.Seldom(int(n.tid)), tid: int(n.tid)}, f: f, alive: -1}, ask
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	th := e.threads[int(n.tid)]
	switch {
	case th == nil:
		return nil, stranger
	case th.pass == f.call:
		th.pass = trap.Call{}
		return nil, pass
	}
	th.flight = f
	return &task{e: e, th: th, f: f, alive: -1}, ask
}

// become ends the handling of a flight.
func (t *task) become(s state) {
	t.e.mu.Lock()
	t.f.state = s
	t.e.mu.Unlock()
}

// lives says whether the task is there still. With e.mu held.
func (t *task) livesLocked() bool {
	switch {
	case t.alive >= 0:
		return unix.PidfdSendSignal(t.alive, 0, nil, 0) == nil
	case t.e.free():
		return t.e.listener.waits(t.f.id)
	}
	return t.e.threads[t.th.tid] == t.th
}

// Release ends the sleep of a task that was handed over. The loop has made sure
// that it comes to a stop before it does anything.
func (e *Engine) Release(tid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	th := e.threads[tid]
	if th == nil || th.flight == nil || th.flight.state != due {
		return
	}
	e.listener.send(&response{id: th.flight.id, errno: -eRestartSys})
}

// eRestartSys is ERESTARTSYS of <linux/errno.h>: what a call returns that a signal
// has interrupted, and no program ever sees.
const eRestartSys = 512

// Interrupted says how call c of tid ends, in a stop before the kernel has made
// anything of its -ERESTARTSYS.
func (e *Engine) Interrupted(tid int, c trap.Call) ptrace.Ending {
	e.mu.Lock()
	defer e.mu.Unlock()
	th := e.threads[tid]
	if th == nil || th.flight == nil || th.flight.call != c {
		e.stats.restarted.Add(1)
		return ptrace.Ending{Kind: ptrace.Again}
	}
	f := th.flight
	switch f.state {
	case due:
		end := ptrace.Ending{Kind: ptrace.Run, Call: f.call, Verdict: f.v}
		f.state, f.v = continued, trap.Verdict{}
		return end
	case continued:
		return ptrace.Ending{Kind: ptrace.Kernel}
	}
	e.stats.restarted.Add(1) // the same call a second time, and no worker has it
	return ptrace.Ending{Kind: ptrace.Again}
}
