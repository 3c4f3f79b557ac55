package relay

import "sync"

// Table holds the host connections of one owner's flows, so that they can be
// counted, waited for and ended.
type Table struct {
	max int

	mu     sync.Mutex // a leaf
	conns  map[Host]struct{}
	toHost map[Host]struct{} // those whose outward direction has not ended
	closed bool
}

// NewTable makes a table for at most max flows.
func NewTable(max int) *Table {
	return &Table{max: max, conns: map[Host]struct{}{}, toHost: map[Host]struct{}{}}
}

// Add takes c in; false when the table is full or closed.
func (t *Table) Add(c Host) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.conns) >= t.max {
		return false
	}
	t.conns[c] = struct{}{}
	t.toHost[c] = struct{}{}
	return true
}

// EndOutward notes that no more bytes will go to c.
func (t *Table) EndOutward(c Host) {
	t.mu.Lock()
	delete(t.toHost, c)
	t.mu.Unlock()
}

// Remove forgets c, whose flow is over.
func (t *Table) Remove(c Host) {
	t.mu.Lock()
	delete(t.conns, c)
	delete(t.toHost, c)
	t.mu.Unlock()
}

// Close lets nothing more in and ends what is there, and so TCP for it. A
// connection that may have lost bytes towards the host is reset. Of the others
// the kernel has everything and delivers it yet, which a reset would prevent.
func (t *Table) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.conns {
		if _, on := t.toHost[c]; on {
			Reset(c)
		} else {
			c.Close()
		}
	}
}

// Open is how many flows there are.
func (t *Table) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// Outward is how many flows may still have bytes for the host.
func (t *Table) Outward() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.toHost)
}
