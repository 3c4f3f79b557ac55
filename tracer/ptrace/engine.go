package ptrace

import (
	"fmt"
	"log/slog"
	"sync"

	"netbox/seccomp"
	"netbox/tracer/kick"
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// Config is what an engine needs.
type Config struct {
	Handler trap.Handler
	Log     *slog.Logger
	// MainStopped is called, on the engine's thread, when the main process
	// was stopped by signal sig: as a shell sees a job being stopped.
	MainStopped func(sig unix.Signal)
	// Front, if not nil, has calls come by notifications; see there. Spawn fails
	// with a *NoListener where that can't be.
	Front Front
	// HostSockets is the filter's: the kernel makes TCP and UDP sockets.
	HostSockets bool
	// Free has the program let go as soon as it is executed: SpawnFree instead of
	// Spawn and Run. With a Front only.
	Free bool
}

// Engine traces one tree of processes. Everything but Signal belongs to the
// thread that calls Spawn and Run, which must be locked and the same for both.
type Engine struct {
	handler   trap.Handler
	corrector trap.Corrector // nil: the handler is none, or native calls can't be watched
	log       *slog.Logger
	stopped   func(unix.Signal)
	filter    seccomp.Filter
	polls     seccomp.Filter  // for who has mapped a packet ring
	traps     seccomp.Options // what the filter traps
	front     Front           // nil: calls come by seccomp-stops
	handed    handOvers
	watches   watches
	soon      soon

	tasks     map[int]*task
	processes map[int]*process
	gates     map[any]*gate
	controls  map[uint64]*control // by inode of the task's end
	listener  *listener
	token     uint64
	first     int32 // number of the main process's control descriptor
	stats     Stats
	draining  bool // the main process has ended
	// path and target are what ReadPath and Path of a task return.
	path, target [proc.PathMax]byte

	mu   sync.Mutex
	main int // pid of the main process while it lives, else 0; guarded by mu
}

// New makes an engine without a tree.
func New(c Config) (*Engine, error) {
	traps := seccomp.Options{Sysctls: seccomp.CanWriteSysctl(), HostSockets: c.HostSockets}
	filter, err := c.builder()(traps)
	if err != nil {
		return nil, err
	}
	polls, err := seccomp.BuildPolls()
	if err != nil {
		return nil, err
	}
	if err := quietStops(); err != nil {
		return nil, fmt.Errorf("SIGCHLD: %w", err)
	}
	if err := kick.Prepare(); err != nil {
		return nil, fmt.Errorf("signal handler: %w", err)
	}
	if err := kick.Admit(); err != nil {
		return nil, fmt.Errorf("signal mask: %w", err)
	}
	l, err := newListener()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		handler: c.Handler, log: c.Log, stopped: c.MainStopped, filter: filter, polls: polls, listener: l,
		front: c.Front, traps: traps, handed: handOvers{tid: unix.Gettid()}, watches: watches{tid: unix.Gettid()},
		tasks: map[int]*task{}, processes: map[int]*process{},
		gates: map[any]*gate{}, controls: map[uint64]*control{},
	}
	if corrector, ok := c.Handler.(trap.Corrector); ok && canWatch && !c.Free {
		e.corrector = corrector
		corrector.Attach(e)
	}
	return e, nil
}

// Close lets go of the engine's descriptors. Precondition: no task is left.
func (e *Engine) Close() {
	unix.Close(e.listener.fd)
	for _, c := range e.controls {
		unix.Close(c.fd)
	}
}

// Stats are the counters so far. To be called on the engine's thread, or
// after Run.
func (e *Engine) Stats() Stats { return e.stats }

// Signal sends sig to the main process, from any thread. Nothing happens when
// it has ended.
func (e *Engine) Signal(sig unix.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.main != 0 {
		unix.Kill(e.main, sig)
	}
}

// Run serves the tree until its last task is gone, and returns how the main
// process ended. When that one ends, what is left of the tree is killed, as a
// container ends with its first process.
func (e *Engine) Run() (unix.WaitStatus, error) {
	defer e.stopWatches()
	var result unix.WaitStatus
	for {
		var ws unix.WaitStatus
		e.interruptDue()
		e.watchDue(nil)
		tid, errno := wait4(-1, &ws, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno == unix.ECHILD {
			if e.main != 0 {
				return 0, fmt.Errorf("the main process is gone without a status: %w", errno)
			}
			return result, nil
		}
		if errno != 0 {
			return 0, fmt.Errorf("wait4: %w", errno)
		}
		if ws.Stopped() {
			e.dispatch(e.known(tid), ws)
			continue
		}
		if tid == e.main {
			result = ws
			e.drain()
		}
		e.gone(tid)
	}
}

// drain kills the rest of the tree.
func (e *Engine) drain() {
	e.mu.Lock()
	e.main = 0
	e.mu.Unlock()
	e.draining = true
	for pid := range e.processes {
		unix.Kill(pid, unix.SIGKILL)
	}
}

// check notes what the kernel said to a ptrace request. ESRCH is no error:
// the task was killed while it was stopped, and its exit will be reported.
func (e *Engine) check(what string, tid int, errno unix.Errno) {
	if errno != 0 && errno != unix.ESRCH {
		e.log.Error("ptrace request failed", "request", what, "tid", tid, "errno", errno)
	}
}

// known is the task tid, entered in the tables if it is new: a child's first
// stop may be reported before its parent's event. Then it may have inherited the
// filter of poll(2).
func (e *Engine) known(tid int) *task {
	if t := e.tasks[tid]; t != nil {
		return t
	}
	pid, ok := proc.ThreadGroup(tid)
	if !ok {
		pid = tid // killed in its first stop
	}
	t := e.add(tid, pid, e.first)
	if t.proc.threads == 1 {
		t.proc.polls = true
	}
	return t
}

// add enters a task. The control number counts for a new process only.
func (e *Engine) add(tid, pid int, control int32) *task {
	p := e.processes[pid]
	if p == nil {
		p = &process{pid: pid, control: control}
		e.processes[pid] = p
		if e.draining {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	p.threads++
	t := &task{e: e, tid: tid, proc: p, kept: proc.NewThread(tid, pid)}
	e.tasks[tid] = t
	if e.front != nil {
		e.front.Known(tid, pid)
	}
	return t
}

// gone removes a task that has ended.
func (e *Engine) gone(tid int) {
	t := e.tasks[tid]
	if t == nil {
		return // its parent's event is yet to come, and will find it gone
	}
	delete(e.tasks, tid)
	t.kept.Close()
	t.abandon()
	t.proc.watch.stopped(t)
	if e.front != nil {
		e.front.Gone(tid)
	}
	if t.proc.threads--; t.proc.threads == 0 {
		delete(e.processes, t.proc.pid)
		e.handler.ProcessExited(t.proc.pid)
		e.sweep()
	}
}
