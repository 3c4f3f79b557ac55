package netemu

import (
	"sync"

	"netbox/netemu/stack"
)

// lingering are the endpoints of connections that tasks have closed and that
// still have bytes, or their FIN, to hand over: what a kernel would go on with
// after the program's end.
type lingering struct {
	mu  sync.Mutex
	eps []*stack.Endpoint
	// prune is the length at which the finished ones are looked for again.
	prune int
}

// firstPrune keeps the list short for programs with few connections.
const firstPrune = 64

func (l *lingering) add(ep *stack.Endpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.eps = append(l.eps, ep)
	if len(l.eps) >= max(l.prune, firstPrune) {
		l.pruneLocked()
		l.prune = 2 * len(l.eps)
	}
}

// any says whether an endpoint still has something to hand over.
func (l *lingering) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pruneLocked()
	return len(l.eps) > 0
}

func (l *lingering) pruneLocked() {
	kept := l.eps[:0]
	for _, ep := range l.eps {
		if sending(ep.TCPState()) {
			kept = append(kept, ep)
		}
	}
	clear(l.eps[len(kept):])
	l.eps = kept
}

// tcpFinWait2 is TCP_FIN_WAIT2 (tcp_states.h): all is acknowledged, the peer
// has not closed.
const tcpFinWait2 = 5

// sending says whether a closed socket in this state has unacknowledged bytes
// or FIN (tcp_states.h: ESTABLISHED, FIN_WAIT1, CLOSE_WAIT, LAST_ACK, CLOSING).
func sending(state uint8) bool {
	switch state {
	case 1, 4, 8, 9, 11:
		return true
	}
	return false
}
