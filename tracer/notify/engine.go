package notify

import (
	"fmt"
	"log/slog"
	"sync"

	"netbox/tracer/kick"
	"netbox/tracer/ptrace"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// workers is how many notifications can be handled at a time. Handlers do not
// block, but some wait a moment for what comes at once on Linux: eight such waits are
// more than the emulation allows itself.
const workers = 8

// Engine answers the notifications of one tree of processes.
type Engine struct {
	handler  trap.Handler
	log      *slog.Logger
	listener listener
	loop     ptrace.Loop
	gates    gates
	clock    clock
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
	if err := kick.Prepare(); err != nil {
		unix.Close(l)
		return fmt.Errorf("signal handler: %w", err)
	}
	if err := e.sleeper.start(e); err != nil {
		unix.Close(l)
		return err
	}
	e.listener, e.loop = listener(l), loop // from here on there is something to stop
	e.listener.wakeHere()
	e.clock.start(e)
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
		w.stop()
	}
	e.clock.stop()
	e.sleeper.cancelAll() // who waits for one is among those that are waited for
	e.wg.Wait()
	e.sleeper.stop()
	e.forget()
	unix.Close(int(e.listener))
}
