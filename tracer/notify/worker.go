package notify

import (
	"runtime"
	"sync/atomic"
	"time"

	"netbox/tracer/kick"
	"netbox/tracer/proc"

	"golang.org/x/sys/unix"
)

// worker receives and handles notifications. It holds a thread only while it waits
// for one: so what the handling of a call has set going runs on the same thread, one
// after the other, and costs no switch of threads.
type worker struct {
	e    *Engine
	tid  atomic.Int64 // of the thread that waits, 0: none
	done atomic.Bool
	// admitted is the thread that it waited on last, which can be kicked.
	admitted int
}

func (w *worker) run() {
	defer w.e.wg.Done()
	defer w.done.Store(true)
	for {
		select {
		case <-w.e.closing:
			return
		case <-w.e.turn:
		}
		if !w.serve() {
			return
		}
	}
}

// serve receives until another worker has the turn; false if there is nothing more
// to receive.
func (w *worker) serve() bool {
	var n notification
	for {
		switch errno := w.receive(&n); errno {
		case 0:
			call := w.e.clock.begin()
			w.e.notified(&n)
			if !w.e.clock.end(call) {
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

// receive waits for a notification, on a thread that can be kicked.
func (w *worker) receive(n *notification) unix.Errno {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tid := unix.Gettid()
	if tid != w.admitted {
		if err := kick.Admit(); err != nil {
			return proc.Errno(err)
		}
		w.admitted = tid
	}
	w.tid.Store(int64(tid))
	defer w.tid.Store(0)
	return w.e.listener.receive(n)
}

// stop gets the worker out of its wait. Precondition: the engine is closing.
func (w *worker) stop() {
	for !w.done.Load() {
		tid := w.tid.Load()
		if tid == 0 {
			time.Sleep(stopLook) // it handles a call, or waits for its turn
			continue
		}
		kick.Until(int(tid), func() bool { return w.tid.Load() != tid })
	}
}

// stopLook is how often stop looks at a worker: one that waits for its turn ends at
// once.
const stopLook = 50 * time.Microsecond
