package nat

import (
	"sync"
	"sync/atomic"

	"netbox/netemu/stack"
)

// maxQueued bounds what waits for one flow's host socket, in bytes with
// queuedCost for each datagram besides its packet's memory. It stands for the queues of a
// whole path, and a burst of datagrams of 64 KiB must fit.
const (
	maxQueued  = 2 << 20
	queuedCost = 512
)

// maxAllQueued bounds what waits in all flows together, in the same bytes, until it
// is sent: sixteen flows may burst at once, and maxUDPFlows of them, each with its
// box full and as much taken out of it, would be 8 GiB.
const maxAllQueued = 16 * maxQueued

// budget counts what the outboxes of a NAT hold, in bytes, and in refused the
// datagrams that maxAllQueued has no room for.
type budget struct {
	used    atomic.Int64
	refused atomic.Uint64
}

// take takes n bytes; false if there are not so many.
func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) > maxAllQueued {
		b.give(n)
		b.refused.Add(1)
		return false
	}
	return true
}

func (b *budget) give(n int) { b.used.Add(-int64(n)) }

// outbox holds the datagrams of one flow that the host's socket has no room for yet.
type outbox struct {
	all *budget

	mu     sync.Mutex // a leaf
	list   []stack.ForwardedDatagram
	bytes  int
	closed bool
	// draining says that a goroutine sends what is here.
	draining bool
}

func cost(d stack.ForwardedDatagram) int { return d.Memory() + queuedCost }

// put holds d and queues it, unless the box or the NAT is full. It is not open
// once it is closed.
func (o *outbox) put(d stack.ForwardedDatagram) (queued, open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := cost(d)
	if o.closed || o.bytes >= maxQueued || !o.all.take(n) {
		return false, !o.closed
	}
	o.list = append(o.list, d.Hold())
	o.bytes += n
	return true, true
}

// idle says that nothing waits.
func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.draining
}

// drain says whether the caller has to start the goroutine, which ends when takeAll
// is not ok.
func (o *outbox) drain() (start bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	start = !o.draining
	o.draining = true
	return start
}

// takeAll takes what there is, which the caller releases one by one. old is reused
// for what comes next. It is not ok when nothing waits, and once the box is closed.
func (o *outbox) takeAll(old []stack.ForwardedDatagram) (list []stack.ForwardedDatagram, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.list) == 0 {
		o.draining = false
		return nil, false
	}
	list, o.list, o.bytes = o.list, old[:0], 0
	return list, true
}

// release frees a datagram that was put.
func (o *outbox) release(d stack.ForwardedDatagram) {
	o.all.give(cost(d))
	d.Release()
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, d := range o.list {
		o.release(d)
	}
	o.list = nil
}
