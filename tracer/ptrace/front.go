package ptrace

import (
	"sync"

	"netbox/seccomp"
	"netbox/tracer/kick"
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// Front answers trapped calls away from the engine's loop, which is told of them
// by notifications instead of seccomp-stops (package netbox/tracer/notify). The
// loop holds the tree, and runs what only a tracer can: a verdict for which a task
// must make other calls than its own. All methods but Start and Stop are called on
// the engine's thread.
type Front interface {
	// Start answers the notifications of listener, which becomes the front's.
	Start(listener int, l Loop) error
	// Stop ends that. Precondition: no task is left.
	Stop()
	// Known and Gone tell of tasks that come and go. The calls of others get
	// ENOSYS.
	Known(tid, pid int)
	Gone(tid int)
	// Pass lets the next notification of tid be run by the kernel, if it is for
	// call c; the zero Call takes that back.
	Pass(tid int, c trap.Call)
	// Release lets a task that was handed over come to the stop that the loop has
	// asked for.
	Release(tid int)
	// EnterGate and LeaveGate keep the front out of a trap.Receive's Gate. The front
	// itself is in one for the time of a call that does not wait.
	EnterGate(key any)
	LeaveGate(key any)
	// Interrupted says how call c of tid ends, which is about to be restarted or to
	// fail with EINTR.
	Interrupted(tid int, c trap.Call) Ending
}

// Loop is what the front may ask of the loop, from any thread.
type Loop interface {
	// HandOver gives it a task whose verdict is the loop's to run: it interrupts it,
	// and asks for it by Interrupted.
	HandOver(tid int)
	// Settle returns when the threads that are to be watched have been told to stop.
	// The front calls it before it answers.
	Settle()
}

// HandOver implements Loop.
func (e *Engine) HandOver(tid int) { e.handed.put(tid) }

// Ending is what is to become of a call that was interrupted while the front
// had it.
type Ending struct {
	Kind    EndingKind
	Call    trap.Call    // for Run
	Verdict trap.Verdict // for Run
}

// EndingKind is the kind of an Ending.
type EndingKind uint8

const (
	// Kernel: the kernel decides, as for a call that blocks: it fails with EINTR
	// or is restarted.
	Kernel EndingKind = iota
	// Again: nothing has been done: it is restarted whatever handler runs.
	Again
	// Run: the loop runs Verdict for Call.
	Run
)

// handOvers are the tasks that the front hands to the loop.
type handOvers struct {
	mu   sync.Mutex // a leaf
	tids []int
	tid  int // the loop's thread
}

// put hands task tid over, and returns when the loop has it.
func (h *handOvers) put(tid int) {
	h.mu.Lock()
	h.tids = append(h.tids, tid)
	h.mu.Unlock()
	kick.Until(h.tid, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.tids) == 0
	})
}

func (h *handOvers) take() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	tids := h.tids
	h.tids = nil
	return tids
}

// interruptDue brings the tasks that were handed over to a stop: each sleeps in
// its notification until it is released, and stops (PTRACE_EVENT_STOP) before it
// returns from its call.
func (e *Engine) interruptDue() {
	for _, tid := range e.handed.take() {
		if e.tasks[tid] != nil {
			e.check("PTRACE_INTERRUPT", tid, request(unix.PTRACE_INTERRUPT, tid, 0, 0))
			e.front.Release(tid)
		}
	}
}

// settle ends a call that was interrupted in its notification, in the stop before
// a handler runs or the call is restarted. True if an operation has begun.
func (e *Engine) settle(t *task) bool {
	if e.front == nil || t.phase != running {
		return false
	}
	var r regs
	if errno := r.get(t.tid); errno != 0 {
		e.check("PTRACE_GETREGS", t.tid, errno)
		return false
	}
	nr, args := r.nr(), r.args()
	if r.ret() != -eRestartSys || !e.traps.Notified(nr, &args) {
		return false
	}
	end := e.front.Interrupted(t.tid, trap.Call{NR: nr, Args: args})
	if end.Kind == Kernel && seccomp.NeverWaits(nr) {
		end.Kind = Again // what the kernel was to run is an earlier call, which has ended
	}
	switch end.Kind {
	case Kernel:
		return false
	case Again:
		r.setInterrupted(nr, eRestartNoIntr)
	case Run:
		t.saved, t.work, t.call, t.at = r, r, end.Call, atExit
		t.begin(end.Verdict)
		return true
	}
	e.check("set registers", t.tid, r.set(t.tid))
	return false
}

// announce tells the front of a call that the task is made to make, if that is
// notified of.
func (t *task) announce(nr int, args *[6]uint64) {
	if t.e.front != nil && t.e.traps.Notified(nr, args) {
		t.passing = true
		t.e.front.Pass(t.tid, trap.Call{NR: nr, Args: *args})
	}
}

// announced takes back what announce said, when the call has returned.
func (t *task) announced() {
	if t.passing {
		t.passing = false
		t.e.front.Pass(t.tid, trap.Call{})
	}
}

// listen gets the listener of the stub's filter, whose number there is fd. It is
// closed there by execve(2).
func (e *Engine) listen(s *stub, fd int32) error {
	listener, errno := proc.Borrow(s.pid, s.pid, fd)
	if errno != 0 {
		return &NoListener{errno}
	}
	return e.front.Start(listener, e)
}

// NoListener says why a program can't be under a filter with notifications here.
type NoListener struct{ Err error }

func (n *NoListener) Error() string { return "no seccomp listener: " + n.Err.Error() }
func (n *NoListener) Unwrap() error { return n.Err }
