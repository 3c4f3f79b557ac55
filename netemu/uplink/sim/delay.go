package sim

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxDelayed bounds the packets on their way: at the greatest delay of a
// minute this is 273 packets a second, at 100 ms 163,000. What comes beyond is
// lost and counted, as on a path whose buffers are full.
const maxDelayed = 16384

// delayer runs functions after a time, and none once it is closed.
type delayer struct {
	dropped atomic.Uint64
	running sync.WaitGroup // functions waiting or running

	mu      sync.Mutex
	closed  bool
	waiting map[*time.Timer]struct{}
}

func newDelayer() *delayer { return &delayer{waiting: make(map[*time.Timer]struct{})} }

// after runs f in d, or now if d is zero. f must not block: close waits for it.
func (y *delayer) after(d time.Duration, f func()) {
	if d <= 0 {
		f()
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.closed || len(y.waiting) >= maxDelayed {
		y.dropped.Add(1)
		return
	}
	y.running.Add(1) // f
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		defer y.running.Done()
		y.mu.Lock()
		delete(y.waiting, t)
		y.mu.Unlock()
		f()
	})
	y.waiting[t] = struct{}{}
}

// close drops what waits and returns when what runs has ended.
func (y *delayer) close() {
	y.mu.Lock()
	y.closed = true
	for t := range y.waiting {
		if t.Stop() {
			y.running.Done()
		}
	}
	y.waiting = nil
	y.mu.Unlock()
	y.running.Wait()
}
