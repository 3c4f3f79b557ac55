package notify

import "sync"

// gates let one Receive with the same Gate run at a time: a worker's, or one of the
// loop's. Workers wait for each other, for the time of a call that does not wait.
// They never wait for the loop, whose task may need one of them to go on.
type gates struct {
	mu      sync.Mutex // a leaf
	changed sync.Cond
	held    map[any]*gate
}

type gate struct {
	worker bool     // a worker is in
	loop   bool     // the loop is in, or waits for the worker to leave
	users  int      // that are in or wait
	parked []func() // go on with receives when the loop leaves
}

func (g *gates) init() { g.changed.L, g.held = &g.mu, map[any]*gate{} }

func (g *gates) useLocked(key any) *gate {
	x := g.held[key]
	if x == nil {
		x = &gate{}
		g.held[key] = x
	}
	x.users++
	return x
}

func (g *gates) doneLocked(key any, x *gate) {
	if x.users--; x.users == 0 {
		delete(g.held, key)
	}
	g.changed.Broadcast()
}

// enter has a worker in the gate; if the loop is there, later is called when it
// has left, and the result is false.
func (g *gates) enter(key any, later func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.useLocked(key)
	for x.worker && !x.loop {
		g.changed.Wait()
	}
	if x.loop {
		x.parked = append(x.parked, later)
		g.doneLocked(key, x)
		return false
	}
	x.worker = true
	return true
}

func (g *gates) leave(key any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.held[key]
	x.worker = false
	g.doneLocked(key, x)
}

// EnterGate has the loop in a gate.
func (e *Engine) EnterGate(key any) {
	g := &e.gates
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.useLocked(key)
	x.loop = true
	g.changed.Broadcast()
	for x.worker {
		g.changed.Wait()
	}
}

// LeaveGate ends what EnterGate began.
func (e *Engine) LeaveGate(key any) {
	g := &e.gates
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.held[key]
	x.loop = false
	for _, later := range x.parked {
		e.wg.Add(1) // the rest of the call
		go func() {
			defer e.wg.Done()
			later()
		}()
	}
	x.parked = nil
	g.doneLocked(key, x)
}
