package link

import (
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// maxBytes bounds what is queued towards one end. It is one TCP window
	// (the 4 MiB send buffer limit), so that a single bulk flow seldom waits,
	// and small enough that a full queue drains in a few milliseconds.
	maxBytes = 4 << 20

	// maxPackets bounds the bookkeeping of small packets, as maxBytes does
	// not: a queued packet costs about half a kilobyte besides its data.
	// Four times Linux's txqueuelen of 1000.
	maxPackets = 4096

	// reserve is how many control packets may be queued beyond the bounds:
	// Linux allows 1000 ICMP messages a second with bursts of 50
	// (net.ipv4.icmp_msgs_per_sec), and a queue lasts milliseconds.
	reserve = 512

	// maxWait is how long a writer waits for room before its packet is
	// dropped. The queue drains in milliseconds unless the machine is
	// stalled; it is above TCP's minimum RTO of 200 ms so that a short
	// stall causes no loss, and below the times at which programs give up.
	maxWait = time.Second
)

// queue holds the packets that travel towards one end, oldest first, each with
// one reference that the queue owns.
type queue struct {
	mu       sync.Mutex
	notEmpty sync.Cond
	room     sync.Cond
	pkts     []*stack.PacketBuffer
	bytes    int
	closed   bool
	// attended says that there is a goroutine that delivers; it does so now if taken,
	// and a writer does if claimed: never both.
	attended, taken, claimed bool
}

// verdict is what became of a packet.
type verdict struct{ queued, waited bool }

var verdictClosed = verdict{}

func newQueue() *queue {
	q := &queue{}
	q.notEmpty.L = &q.mu
	q.room.L = &q.mu
	return q
}

// put queues pkt, whose reference it takes over whatever the verdict.
func (q *queue) put(pkt *stack.PacketBuffer, control bool) verdict {
	q.mu.Lock()
	v := verdict{}
	if q.full() && !control {
		v.waited = true
		q.waitForRoom()
	}
	if q.closed || q.full() && (!control || len(q.pkts) >= maxPackets+reserve) {
		q.mu.Unlock()
		pkt.DecRef()
		return v
	}
	v.queued = true
	q.pkts = append(q.pkts, pkt)
	q.bytes += pkt.Size()
	wake := len(q.pkts) == 1 && !q.claimed
	q.mu.Unlock()
	if wake {
		q.notEmpty.Signal()
	}
	return v
}

func (q *queue) full() bool { return q.bytes >= maxBytes || len(q.pkts) >= maxPackets }

// waitForRoom waits until the queue is not full, is closed, or maxWait is over.
//
// Preconditions: q.mu is locked.
func (q *queue) waitForRoom() {
	expired := false
	t := time.AfterFunc(maxWait, func() {
		q.mu.Lock()
		expired = true
		q.mu.Unlock()
		q.room.Broadcast()
	})
	defer t.Stop()
	for q.full() && !q.closed && !expired {
		q.room.Wait()
	}
}

// takeAll waits until something is queued and takes all of it; the caller owns
// the references. old is reused for what comes next. ok is false once the
// queue is closed and no writer delivers.
func (q *queue) takeAll(old []*stack.PacketBuffer) (batch []*stack.PacketBuffer, ok bool) {
	q.mu.Lock()
	q.attended, q.taken = true, false
	for q.claimed || len(q.pkts) == 0 && !q.closed {
		q.notEmpty.Wait()
	}
	if q.closed {
		q.mu.Unlock()
		return nil, false
	}
	wasFull := q.full()
	batch, q.pkts, q.bytes, q.taken = q.pkts, old, 0, true
	q.mu.Unlock()
	if wasFull {
		q.room.Broadcast()
	}
	return batch, true
}

// claim makes the caller the one who delivers, until unclaim; false if packets are on
// their way, which go first.
func (q *queue) claim() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.attended || q.taken || q.claimed || q.closed || len(q.pkts) > 0 {
		return false
	}
	q.claimed = true
	return true
}

func (q *queue) unclaim() {
	q.mu.Lock()
	q.claimed = false
	wake := q.closed || len(q.pkts) > 0
	q.mu.Unlock()
	if wake {
		q.notEmpty.Signal()
	}
}

// close frees what is queued and wakes everyone.
func (q *queue) close() {
	q.mu.Lock()
	pkts := q.pkts
	q.pkts, q.bytes, q.closed = nil, 0, true
	q.mu.Unlock()
	q.notEmpty.Broadcast()
	q.room.Broadcast()
	for _, pkt := range pkts {
		pkt.DecRef()
	}
}
