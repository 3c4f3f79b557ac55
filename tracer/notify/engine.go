package notify

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"netbox/tracer/kick"
	"netbox/tracer/ptrace"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// workers is how many notifications can be handled at a time. Handlers do not
// block, but some wait a moment for what comes at once on Linux: eight such waits are
// more than the emulation allows itself.
const workers = 8

// relief is how long a call may take before another worker receives the next. One
// worker at a time receives, since the kernel would wake several in turns, and each
// finds its thread cold: with four, a call was seen to take three times as long.
const relief = time.Millisecond

// Engine answers the notifications of one tree of processes.
type Engine struct {
	handler  trap.Handler
	log      *slog.Logger
	listener listener
	loop     ptrace.Loop
	gates    gates
	sleeper  sleeper
	stats    Stats
	buffers  sync.Pool // of *buffers
	// root is the process that the box descends from, if no tracer holds it; else 0.
	root int

	closing chan struct{}
	turn    chan struct{} // who has taken the token receives
	ends    []*worker
	wg      sync.WaitGroup // workers, and what goes on after a nap

	mu       sync.Mutex
	threads  map[int]*thread
	followed []*followed
}

// New makes an engine that does nothing before Start.
func New(handler trap.Handler, log *slog.Logger) *Engine {
	e := &Engine{handler: handler, log: log, listener: -1, threads: map[int]*thread{}, closing: make(chan struct{}), turn: make(chan struct{}, 1)}
	e.gates.init()
	e.buffers.New = func() any { return new(buffers) }
	return e
}

// Free has the engine serve a box that no tracer holds, of processes below root. To
// be called before Start.
func (e *Engine) Free(root int) { e.root = root }

func (e *Engine) free() bool { return e.root != 0 }

// Stats are the counters so far.
func (e *Engine) Stats() *Stats { return &e.stats }

// Start begins to answer the notifications of l, which it owns from now on.
func (e *Engine) Start(l int, loop ptrace.Loop) error {
	e.listener, e.loop = listener(l), loop
	if err := kick.Prepare(); err != nil {
		unix.Close(l)
		return fmt.Errorf("signal handler: %w", err)
	}
	if err := e.sleeper.start(e); err != nil {
		unix.Close(l)
		return err
	}
	e.listener.wakeHere()
	e.turn <- struct{}{}
	for range workers {
		w := &worker{e: e}
		e.ends = append(e.ends, w)
		e.wg.Add(1) // the worker
		go w.run()
	}
	return nil
}

// Stop ends what Start began. Precondition: no task is left.
func (e *Engine) Stop() {
	if e.listener < 0 {
		return
	}
	close(e.closing)
	for _, w := range e.ends {
		if tid := int(w.tid.Load()); tid != 0 {
			kick.Until(tid, w.done.Load)
		}
	}
	e.wg.Wait()
	e.sleeper.stop()
	e.forget()
	unix.Close(int(e.listener))
}

// worker receives and handles notifications on a thread of its own.
type worker struct {
	e    *Engine
	tid  atomic.Int64 // 0: not running yet
	done atomic.Bool
}

func (w *worker) run() {
	defer w.e.wg.Done()
	defer w.done.Store(true)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w.tid.Store(int64(unix.Gettid()))
	if err := kick.Admit(); err != nil {
		w.e.log.Error("a worker can't be stopped", "err", err)
		return
	}
	next := time.AfterFunc(relief, func() { w.e.turn <- struct{}{} })
	defer next.Stop()
	next.Stop()
	for {
		select {
		case <-w.e.closing:
			return
		case <-w.e.turn:
		}
		if !w.serve(next) {
			return
		}
	}
}

// serve receives until next has given the turn to another worker; false if there is
// nothing more to receive.
func (w *worker) serve(next *time.Timer) bool {
	var n notification
	for {
		switch errno := w.e.listener.receive(&n); errno {
		case 0:
			next.Reset(relief)
			w.e.notified(&n)
			if !next.Stop() {
				return true
			}
		case unix.EINTR:
			select {
			case <-w.e.closing:
				return false
			default:
			}
		case unix.ENOENT:
			if w.e.listener.over() {
				return false
			}
		default:
			w.e.log.Error("no notifications", "errno", errno)
			return false
		}
	}
}
