package notify

import "sync"

// gates let one Receive with the same Gate run at a time.
type gates struct {
	mu   sync.Mutex // a leaf
	held map[any]*gate
}

type gate struct {
	mu    sync.Mutex
	users int // that hold it or wait for it
}

func (g *gates) enter(key any) {
	g.mu.Lock()
	x := g.held[key]
	if x == nil {
		x = &gate{}
		g.held[key] = x
	}
	x.users++
	g.mu.Unlock()
	x.mu.Lock()
}

func (g *gates) leave(key any) {
	g.mu.Lock()
	x := g.held[key]
	if x.users--; x.users == 0 {
		delete(g.held, key)
	}
	g.mu.Unlock()
	x.mu.Unlock()
}
