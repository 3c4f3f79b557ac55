package sim

import (
	"net"
	"sync"
	"sync/atomic"
)

// flows are the open connections of one kind, up to a bound. Each is served by
// a goroutine that serve starts and close joins.
type flows struct {
	limit   int
	dropped atomic.Uint64 // connections refused: limit reached
	served  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	taken  int // places, with a connection or about to have one
	open   map[net.Conn]struct{}
}

func newFlows(limit int) *flows { return &flows{limit: limit, open: make(map[net.Conn]struct{})} }

// reserve takes a place for a connection to come.
func (f *flows) reserve() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.taken >= f.limit {
		f.dropped.Add(1)
		return false
	}
	f.taken++
	return true
}

// free gives a place back that has no connection.
func (f *flows) free() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken--
}

// serve fills a reserved place with c and runs it on a goroutine of its own;
// c is closed when run returns. Once closed, c is closed at once.
func (f *flows) serve(c net.Conn, run func()) {
	f.mu.Lock()
	if f.closed {
		f.taken--
		f.mu.Unlock()
		c.Close()
		return
	}
	f.open[c] = struct{}{}
	f.served.Add(1) // run
	f.mu.Unlock()
	go func() {
		defer f.served.Done()
		run()
		c.Close()
		f.mu.Lock()
		delete(f.open, c)
		f.taken--
		f.mu.Unlock()
	}()
}

// close closes every connection and joins their goroutines.
func (f *flows) close() {
	f.mu.Lock()
	f.closed = true
	for c := range f.open {
		c.Close()
	}
	f.mu.Unlock()
	f.served.Wait()
}
