package relay

import "sync"

// maxIdle bounds the goroutines that a Group keeps for what comes next. One that has
// carried a flow has a stack of 8 KiB, which a new one grows to in steps, each a copy:
// a twentieth of what a short connection costs.
const maxIdle = 64

// Group is a set of goroutines with one owner, who ends them and then joins
// them. The zero Group is ready.
type Group struct {
	mu     sync.Mutex // a leaf
	closed bool
	idle   []chan func() // the latest to be idle last
	wg     sync.WaitGroup
}

// Go runs f, unless the group is closed; then it is false.
func (g *Group) Go(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if n := len(g.idle); n > 0 {
		g.idle[n-1] <- f // which has room
		g.idle = g.idle[:n-1]
		return true
	}
	g.wg.Go(func() { g.work(f) })
	return true
}

// work runs f, and what else comes.
func (g *Group) work(f func()) {
	next := make(chan func(), 1)
	for ok := true; ok; f, ok = <-next {
		f()
		if !g.rest(next) {
			return
		}
	}
}

// rest offers a goroutine for what comes next; false if there are enough.
func (g *Group) rest(next chan func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || len(g.idle) >= maxIdle {
		return false
	}
	g.idle = append(g.idle, next)
	return true
}

// Close lets nothing more in and waits for what runs.
func (g *Group) Close() {
	g.mu.Lock()
	g.closed = true
	for _, next := range g.idle {
		close(next)
	}
	g.idle = nil
	g.mu.Unlock()
	g.wg.Wait()
}

// Idle is how many goroutines wait for what comes next.
func (g *Group) Idle() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.idle)
}
