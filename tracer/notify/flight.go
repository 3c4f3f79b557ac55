package notify

import (
	"time"

	"netbox/tracer/proc"
	"netbox/tracer/ptrace"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// state is what has become of a flight.
//
//	handling ──► over                        answered, or the kernel's
//	   │  ▲  └─► done ──► over               a signal came before the answer
//	   │  │  └─► undone ──► over             the same, and nothing was done
//	   │  └──── sleeping ──► over            interrupted
//	   └──────► due ──► over                 the loop's, or interrupted before
type state uint8

const (
	handling state = iota
	sleeping
	due
	done
	undone
	over
)

// flight is one notified call on its way.
type flight struct {
	id    uint64
	call  trap.Call
	ip    uint64
	state state
	value int64        // for done
	v     trap.Verdict // for due
	sleep *sleep       // for sleeping
}

// same says whether f is the same call as g, made anew by the kernel.
func (f *flight) same(g *flight) bool { return f.call == g.call && f.ip == g.ip }

// thread is a task that the loop knows. Guarded by Engine.mu.
type thread struct {
	tid, pid int
	flight   *flight   // the latest
	pass     trap.Call // see Pass
	// limited is a call that was interrupted while it slept under a time limit, and
	// until when: the kernel may make it anew.
	limited  *flight
	deadline time.Time
}

// Known enters a task.
func (e *Engine) Known(tid, pid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.threads[tid] = &thread{tid: tid, pid: pid}
}

// Gone removes a task that has ended.
func (e *Engine) Gone(tid int) {
	e.mu.Lock()
	th := e.threads[tid]
	delete(e.threads, tid)
	var drop func()
	if th != nil && th.flight != nil {
		drop = e.endLocked(th.flight)
	}
	e.mu.Unlock()
	if drop != nil {
		drop()
	}
}

// Pass lets the next notification of tid be the kernel's if it is for call c.
func (e *Engine) Pass(tid int, c trap.Call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if th := e.threads[tid]; th != nil {
		th.pass = c
	}
}

// endLocked ends a flight that nobody waits for any more, if it is not being
// handled. What is returned, if not nil, is to be called without the lock.
func (e *Engine) endLocked(f *flight) func() {
	switch f.state {
	case sleeping:
		e.sleeper.cancelLocked(f.sleep)
		f.sleep = nil
	case due:
		v := f.v
		f.state, f.v = over, trap.Verdict{}
		return func() { discard(v) }
	case handling:
		return nil
	}
	f.state = over
	return nil
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
	repeat                    // the call was done before: the value is known
)

// begin enters a flight for a notification. The value is for repeat.
func (e *Engine) begin(n *notification) (*task, beginning, int64) {
	f := &flight{id: n.id, call: n.call(), ip: n.ip}
	e.mu.Lock()
	th := e.threads[int(n.tid)]
	if th == nil {
		e.mu.Unlock()
		return nil, stranger, 0
	}
	t := &task{e: e, th: th, f: f}
	if th.pass == f.call {
		th.pass = trap.Call{}
		e.mu.Unlock()
		return t, pass, 0
	}
	former := th.flight
	var drop func()
	if former != nil {
		e.awaitLocked(former)
		if former.state == done && former.same(f) {
			former.state, f.state = over, over
			value := former.value
			th.flight = f
			e.mu.Unlock()
			return t, repeat, value
		}
		drop = e.endLocked(former)
	}
	th.flight = f
	e.mu.Unlock()
	if drop != nil {
		drop()
	}
	return t, ask, 0
}

// awaitLocked waits until nobody handles f: its call was interrupted meanwhile.
func (e *Engine) awaitLocked(f *flight) {
	for f.state == handling {
		e.settled.Wait()
	}
}

// become ends the handling of a flight.
func (e *Engine) become(f *flight, s state, value int64) {
	e.mu.Lock()
	f.state, f.value = s, value
	e.mu.Unlock()
	e.settled.Broadcast()
}

// Interrupted says how a call ends that signal sig has interrupted, or the loop
// with 0.
func (e *Engine) Interrupted(tid int, c trap.Call, sig unix.Signal) ptrace.Ending {
	e.mu.Lock()
	th := e.threads[tid]
	if th == nil || th.flight == nil {
		e.mu.Unlock()
		return ptrace.Ending{Kind: ptrace.Again}
	}
	f := th.flight
	e.awaitLocked(f)
	if f.call != c { // no worker has seen this one
		e.mu.Unlock()
		return ptrace.Ending{Kind: ptrace.Again}
	}
	e.stats.interrupted.Add(1)
	end, drop := e.endingLocked(th, f, sig)
	e.mu.Unlock()
	if drop != nil {
		drop()
	}
	return end
}

func (e *Engine) endingLocked(th *thread, f *flight, sig unix.Signal) (end ptrace.Ending, drop func()) {
	switch f.state {
	case done:
		end = ptrace.Ending{Kind: ptrace.Returned, Value: f.value}
	case undone:
		end.Kind = ptrace.Again
	case sleeping:
		if s := f.sleep; !s.deadline.IsZero() {
			end.Kind = ptrace.Timed
			// With a handler the call ends, and the next one is new.
			if th.limited = nil; sig == 0 || proc.Caught(th.tid)>>(uint(sig)-1)&1 == 0 {
				th.limited, th.deadline = f, s.deadline
			}
		}
	case due:
		if sig == 0 {
			end = ptrace.Ending{Kind: ptrace.Run, Call: f.call, Verdict: f.v}
			f.state, f.v = over, trap.Verdict{}
			return end, nil
		}
		end.Kind = ptrace.Again
	}
	return end, e.endLocked(f)
}
