package notify

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"netbox/tracer/kick"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// workers is how many notifications are handled at a time. Handlers do not block,
// but some wait a moment for what comes at once on Linux; with several workers
// nobody waits for that.
const workers = 4

// Engine answers the notifications of one tree of processes.
type Engine struct {
	handler  trap.Handler
	log      *slog.Logger
	listener listener
	handOver func(tid int)
	gates    gates
	sleeper  sleeper
	stats    Stats
	buffers  sync.Pool // of *buffers

	closing atomic.Bool
	ends    []*worker
	wg      sync.WaitGroup // workers, and what goes on after a nap

	mu      sync.Mutex
	threads map[int]*thread
}

// New makes an engine that does nothing before Start.
func New(handler trap.Handler, log *slog.Logger) *Engine {
	e := &Engine{handler: handler, log: log, listener: -1, threads: map[int]*thread{}}
	e.gates.held = map[any]*gate{}
	e.buffers.New = func() any { return new(buffers) }
	return e
}

// Stats are the counters so far.
func (e *Engine) Stats() *Stats { return &e.stats }

// Start begins to answer the notifications of l, which it owns from now on.
func (e *Engine) Start(l int, handOver func(tid int)) error {
	e.listener, e.handOver = listener(l), handOver
	if err := kick.Prepare(); err != nil {
		unix.Close(l)
		return fmt.Errorf("signal handler: %w", err)
	}
	if err := e.sleeper.start(e); err != nil {
		unix.Close(l)
		return err
	}
	e.listener.wakeHere()
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
	e.closing.Store(true)
	for _, w := range e.ends {
		if tid := int(w.tid.Load()); tid != 0 {
			kick.Until(tid, w.done.Load)
		}
	}
	e.wg.Wait()
	e.sleeper.stop()
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
	var n notification
	for !w.e.closing.Load() {
		switch errno := w.e.listener.receive(&n); errno {
		case 0:
			w.e.notified(&n)
		case unix.EINTR:
		case unix.ENOENT:
			if w.e.listener.over() {
				return
			}
		default:
			w.e.log.Error("no notifications", "errno", errno)
			return
		}
	}
}
