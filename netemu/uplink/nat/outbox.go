package nat

import (
	"sync"

	"netbox/netemu/stack"
)

// maxQueued bounds what waits for one flow's host socket, in bytes with
// queuedCost for each datagram besides its payload. It stands for the queues of a
// whole path, and a burst of datagrams of 64 KiB must fit.
const (
	maxQueued  = 2 << 20
	queuedCost = 512
)

// outbox holds the datagrams of one flow on their way to the host's socket.
type outbox struct {
	mu     sync.Mutex // a leaf
	ready  sync.Cond
	list   []stack.ForwardedDatagram
	bytes  int
	closed bool
}

func (o *outbox) init() { o.ready.L = &o.mu }

// put holds d and queues it, unless the box is full. It is not open once it is
// closed.
func (o *outbox) put(d stack.ForwardedDatagram) (queued, open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.bytes >= maxQueued {
		return false, !o.closed
	}
	o.list = append(o.list, d.Hold())
	o.bytes += d.Size() + queuedCost
	o.ready.Signal()
	return true, true
}

// takeAll waits for datagrams; the caller releases them. old is reused for what
// comes next. It is not ok once the box is closed.
func (o *outbox) takeAll(old []stack.ForwardedDatagram) (list []stack.ForwardedDatagram, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.list) == 0 && !o.closed {
		o.ready.Wait()
	}
	if o.closed {
		return nil, false
	}
	list, o.list, o.bytes = o.list, old[:0], 0
	return list, true
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, d := range o.list {
		d.Release()
	}
	o.list = nil
	o.ready.Signal()
}
