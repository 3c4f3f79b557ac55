package nat

import (
	"sync"
	"sync/atomic"
	"time"
)

// udpTable holds UDP flows.
type udpTable struct {
	last atomic.Int64 // when a datagram passed in any flow, since start

	mu     sync.Mutex
	flows  map[flowKey]*udpFlow
	max    int
	closed bool
}

func (t *udpTable) init() {
	t.flows = map[flowKey]*udpFlow{}
	t.max = maxUDPFlows
	t.last.Store(int64(-udpQuiet))
}

// add takes a flow in. leaving is the flow that has to make room, if any, which
// the caller closes: the longest idle one, or one of the same key that is about
// to end. It is not ok when the uplink is closing.
func (t *udpTable) add(f *udpFlow) (leaving *udpFlow, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, false
	}
	leaving = t.flows[f.flowKey]
	if leaving == nil && len(t.flows) >= t.max {
		leaving = t.oldestLocked()
		delete(t.flows, leaving.flowKey)
	}
	t.flows[f.flowKey] = f
	return leaving, true
}

// oldestLocked looks at all flows: about 20 µs for maxUDPFlows of them, and
// only for each flow beyond, where a list in order would cost every datagram.
//
// Preconditions: t.mu is locked.
func (t *udpTable) oldestLocked() *udpFlow {
	var oldest *udpFlow
	for _, f := range t.flows {
		if oldest == nil || f.last.Load() < oldest.last.Load() {
			oldest = f
		}
	}
	return oldest
}

// find is the open flow of this key, nil if there is none.
func (t *udpTable) find(k flowKey) *udpFlow {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flows[k]
}

func (t *udpTable) remove(f *udpFlow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flows[f.flowKey] == f {
		delete(t.flows, f.flowKey)
	}
}

// close lets nothing more in and ends what is there.
func (t *udpTable) close() {
	t.mu.Lock()
	t.closed = true
	flows := make([]*udpFlow, 0, len(t.flows))
	for _, f := range t.flows {
		flows = append(flows, f)
	}
	t.mu.Unlock()
	for _, f := range flows {
		f.close()
	}
}

func (t *udpTable) open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.flows)
}

// sinceDatagram is for how long UDP has been quiet.
func (n *NAT) sinceDatagram() time.Duration {
	return time.Since(start) - time.Duration(n.udp.last.Load())
}
