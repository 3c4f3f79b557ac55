package nat

import (
	"sync"
	"sync/atomic"
	"time"
)

// udpTable holds UDP flows.
type udpTable struct {
	last atomic.Int64 // when a datagram passed in any flow, since start

	mu    sync.Mutex
	flows map[flowKey]*udpFlow
	// byPort are the flows of each of the sandbox's ports, the latest of a list.
	byPort map[uint16]*udpFlow
	max    int
	closed bool
}

func (t *udpTable) init() {
	t.flows, t.byPort = map[flowKey]*udpFlow{}, map[uint16]*udpFlow{}
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
	}
	if leaving != nil {
		t.removeLocked(leaving)
	}
	t.flows[f.flowKey] = f
	f.after = t.byPort[f.src.Port()]
	if f.after != nil {
		f.after.before = f
	}
	t.byPort[f.src.Port()] = f
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
		t.removeLocked(f)
	}
}

// removeLocked takes a flow out that is in.
//
// Preconditions: t.mu is locked.
func (t *udpTable) removeLocked(f *udpFlow) {
	delete(t.flows, f.flowKey)
	switch {
	case f.before != nil:
		f.before.after = f.after
	case f.after != nil:
		t.byPort[f.src.Port()] = f.after
	default:
		delete(t.byPort, f.src.Port())
	}
	if f.after != nil {
		f.after.before = f.before
	}
	f.before, f.after = nil, nil
}

// from are the flows of one of the sandbox's ports.
func (t *udpTable) from(port uint16) (list []*udpFlow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := t.byPort[port]; f != nil; f = f.after {
		list = append(list, f)
	}
	return list
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
