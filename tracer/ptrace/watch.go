package ptrace

import (
	"sync"
	"sync/atomic"
	"time"

	"netbox/tracer/kick"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// A process that is watched (trap.Watcher) stops at the beginning and the end of
// every call. That is slow, and lasts while a surrogate shows an error only. To
// begin with it, the threads that run are interrupted; the others come to a stop by
// themselves before they run anything.

const (
	// watchPatience is how long a thread may take to stop: one that waits for the
	// child of its vfork(2) does not. A stop takes some 100 µs; on a machine with eight
	// tasks for each processor more than 20 ms was seen.
	watchPatience = 200 * time.Millisecond
	// maxWatched bounds the stops of a watch: a program that never asks for its
	// error goes on at full speed after some 0.1 s.
	maxWatched = 4096
)

// watches are what the handler has asked for, from any thread.
type watches struct {
	mu      sync.Mutex // a leaf
	asked   []watchRequest
	over    bool
	pending atomic.Bool // something was asked for, and is not done
	tid     int         // the loop's thread
}

// watchRequest is one call of Watch, Unwatch, or the end of watchPatience.
type watchRequest struct {
	pid   int
	what  watchKind
	ready func()
	begun int // for watchLate: which
}

type watchKind uint8

const (
	watchOn watchKind = iota
	watchOff
	watchLate
)

// watch is that of one process.
type watch struct {
	users int // calls of Watch less those of Unwatch
	stops int // since the last error that was told
	begun int // how often the threads were interrupted
	// awaited counts the threads that were interrupted and have not stopped yet,
	// ready is called when there is none.
	awaited int
	ready   []func()
	late    *time.Timer // ends watchPatience, nil: nobody waits
}

// on says that the threads of the process stop at their calls.
func (w *watch) on() bool { return w.users > 0 && w.stops < maxWatched }

// Watch implements trap.Watcher.
func (e *Engine) Watch(pid int, ready func()) bool {
	return e.watches.put(watchRequest{pid: pid, what: watchOn, ready: ready})
}

// Unwatch implements trap.Watcher.
func (e *Engine) Unwatch(pid int) { e.watches.put(watchRequest{pid: pid, what: watchOff}) }

// put leaves a request for the loop, and has somebody else see to it that the loop
// looks: this may be the loop's own thread. False: the loop is through.
func (w *watches) put(r watchRequest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false
	}
	w.asked = append(w.asked, r)
	if !w.pending.Swap(true) {
		go kick.Until(w.tid, func() bool { return !w.pending.Load() })
	}
	return true
}

// take is what is to be done next, nil: nothing.
func (w *watches) take() []watchRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	if asked == nil {
		w.pending.Store(false)
	}
	return asked
}

// settleLook is how often Settle looks: it takes the loop some 10 µs, and a wait is
// for a socket's error only.
const settleLook = 20 * time.Microsecond

// Settle implements Loop.
func (e *Engine) Settle() {
	if !e.watches.pending.Load() { // as a rule: no time to be asked for
		return
	}
	for end := time.Now().Add(watchPatience); e.watches.pending.Load() && time.Now().Before(end); {
		time.Sleep(settleLook)
	}
}

// stopWatches ends what put has begun: the loop is through.
func (e *Engine) stopWatches() {
	e.watches.mu.Lock()
	e.watches.over = true
	e.watches.mu.Unlock()
	e.watchDue(nil)
}

// watchDue serves what was asked for. held is a task in a stop that runs next, or
// nil.
func (e *Engine) watchDue(held *task) {
	for e.watches.pending.Load() {
		for _, r := range e.watches.take() {
			e.serve(r, held)
		}
	}
}

func (e *Engine) serve(r watchRequest, held *task) {
	p := e.processes[r.pid]
	switch {
	case p == nil:
		if r.ready != nil {
			r.ready()
		}
	case r.what == watchOn:
		e.beginWatch(p, held, r.ready)
	case r.what == watchLate:
		if r.begun == p.watch.begun {
			p.watch.tell()
		}
	case p.watch.users > 0: // else a process that had the number before
		p.watch.users--
	}
}

func (e *Engine) beginWatch(p *process, held *task, ready func()) {
	e.stats.Watches++
	w := &p.watch
	w.ready = append(w.ready, ready)
	if w.users++; w.users == 1 || w.stops >= maxWatched {
		w.hurry()
		w.begun++
		w.stops = 0
		for _, t := range e.tasks {
			if t.proc == p && t != held && t.phase == running && !t.listening && !t.awaited {
				e.check("PTRACE_INTERRUPT", t.tid, request(unix.PTRACE_INTERRUPT, t.tid, 0, 0))
				t.awaited, t.disturbed = true, true
				w.awaited++
			}
		}
	}
	if w.awaited == 0 {
		w.tell()
		return
	}
	if w.late == nil {
		late := watchRequest{pid: p.pid, what: watchLate, begun: w.begun}
		w.late = time.AfterFunc(watchPatience, func() { e.watches.put(late) })
	}
}

func (w *watch) tell() {
	ready := w.ready
	w.ready = nil
	w.hurry()
	for _, f := range ready {
		f()
	}
}

// hurry ends the wait for watchPatience. A timer that has fired already is known by
// begun.
func (w *watch) hurry() {
	if w.late != nil {
		w.late.Stop()
		w.late = nil
	}
}

// stopped notes the first stop of a thread that was interrupted, or its end.
func (w *watch) stopped(t *task) {
	if !t.awaited {
		return
	}
	t.awaited = false
	if w.awaited--; w.awaited == 0 {
		w.tell()
	}
}

// watchedStop is a stop of a watched task. It takes the place of the
// PTRACE_EVENT_STOP that somebody has asked for: any stop clears that (kernel/signal.c,
// ptrace_stop).
func (e *Engine) watchedStop(t *task) {
	t.undisturb()
	if e.settle(t) {
		return
	}
	if t.proc.watch.on() {
		t.watched()
	}
	t.resume(0)
}

// undisturb makes up for an interruption of ours.
func (t *task) undisturb() {
	if t.disturbed {
		t.disturbed = false
		t.ignored.interrupted(t)
	}
}

// watched looks at a stop at the beginning or the end of a call.
func (t *task) watched() {
	w := &t.proc.watch
	w.stops++
	t.e.stats.Watched++
	var r regs
	if r.get(t.tid) != 0 || r.ret() != -int64(unix.ECONNRESET) || !transfers(r.nr()) {
		return
	}
	w.stops = 0 // it does ask
	errno, again := t.e.corrector.Correct(t, trap.Call{NR: r.nr(), Args: r.args()})
	if again {
		r.setAgain(r.nr())
	} else {
		r.setReturned(-int64(errno))
	}
	t.e.check("set registers", t.tid, r.set(t.tid))
}

// transfers says which calls may end with a surrogate's error.
func transfers(nr int) bool {
	switch nr {
	case unix.SYS_READ, unix.SYS_READV, unix.SYS_RECVFROM, unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_SENDTO:
		return true
	}
	return false
}
