package netemu

import (
	"bytes"
	"math/bits"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// inbox is what has come for a datagram socket and waits for room in the
// surrogate. SO_RCVBUF bounds both together, and counts memory as Linux does: a
// datagram without a byte costs, too.
type inbox struct {
	mu   sync.Mutex
	list []received
	// held is what the datagrams cost that the task was not seen to read: those of
	// list and those in the surrogate.
	held int
	// failed is a pending error that the transport has met on the way.
	failed unix.Errno
	// awaited is closed when the surrogate gets a datagram, nil: nobody waits.
	awaited chan struct{}
	// drops counts what the bound and, of UDP, the filter have dropped (sk_drops).
	drops atomic.Uint32
}

// received is a datagram that waits for the program.
type received struct {
	data []byte
	a    arrival
}

// What Linux 6.18 charges for a packet that was sent on lo (skb->truesize), in bytes.
const (
	// spareRoom is what __ip_append_data adds to a packet for link header and
	// alignment: hh_len + 15.
	spareRoom = 31
	// skbSize and sharedInfo are struct sk_buff and, in the buffer, struct skb_shared_info, in
	// whole cache lines.
	skbSize, sharedInfo, cacheLine = 256, 320, 64
	// smallHead is a buffer of its own cache (SKB_SMALL_HEAD_CACHE_SIZE). Larger ones
	// are kmalloc's: powers of two.
	smallHead = 576
	// mostLinear is SKB_MAX_ALLOC of 4 KiB pages; what is longer is headers in one
	// buffer, and pages that are charged by the byte.
	mostLinear             = 16<<10 - sharedInfo
	ipv4Header, ipv6Header = 20, 40
)

// memoryOf is what an IP packet of n bytes costs, headers among them.
func memoryOf(n, headers int) int {
	if n+spareRoom >= mostLinear {
		return memoryOf(headers, headers) + n - headers
	}
	buffer := (n+spareRoom+cacheLine-1)/cacheLine*cacheLine + sharedInfo
	if buffer <= smallHead {
		return skbSize + smallHead
	}
	return skbSize + 1<<bits.Len(uint(buffer-1))
}

// cost is what a datagram of n bytes costs, as a socket of d shows them.
func (d *datagram) cost(n int, a arrival) int {
	ip := ipv6Header
	if a.from.Addr.Addr().Unmap().Is4() {
		ip = ipv4Header
	}
	switch {
	case isUDP(&d.idn):
		return memoryOf(n+ip+sizeofUDPHeader, ip+sizeofUDPHeader)
	case d.idn.typ == unix.SOCK_RAW && ip == ipv4Header:
		return memoryOf(n, ip)
	}
	return memoryOf(n+ip, ip)
}

// arrive moves what the transport has received to the inbox. It runs on netstack's
// goroutine, before the next packet comes: netstack's own queue counts payload
// only. So it takes no lock that is held over a call of netstack's but those of
// one read.
func (d *datagram) arrive() {
	buf := datagramBuffers.Get().(*[]byte)
	defer datagramBuffers.Put(buf)
	d.in.mu.Lock()
	defer d.in.mu.Unlock()
	for {
		n, a, errno := d.tr.receive(*buf)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return
		default:
			d.in.failed = errno
			continue
		}
		memory := d.cost(n, a)
		n, keep := d.filtered((*buf)[:n], a)
		switch {
		case keep && d.hasRoomLocked(memory):
			d.putLocked(bytes.Clone((*buf)[:n]), a, memory)
		case keep || isUDP(&d.idn):
			d.dropLocked()
		}
	}
}

// put keeps datagram p, which costs memory, if SO_RCVBUF has room for it.
func (d *datagram) put(p []byte, a arrival, memory int) bool {
	d.in.mu.Lock()
	defer d.in.mu.Unlock()
	if !d.hasRoomLocked(memory) {
		d.dropLocked()
		return false
	}
	d.putLocked(p, a, memory)
	return true
}

func (d *datagram) putLocked(p []byte, a arrival, memory int) {
	a.memory, a.drops = memory, d.in.drops.Load()
	d.in.held += memory
	d.in.list = append(d.in.list, received{p, a})
}

func (d *datagram) dropLocked() {
	d.in.drops.Add(1)
	if isUDP(&d.idn) {
		d.e.udpDrops.Add(1)
	}
}

// hasRoomLocked says whether one more datagram fits. UDP's queue is never filled
// beyond SO_RCVBUF but by the first (__udp_enqueue_schedule_skb), others' is by
// the last (__sock_queue_rcv_skb, packet_rcv).
func (d *datagram) hasRoomLocked(memory int) bool {
	limit := int(d.mem.get("SO_RCVBUF", defaultBuffer))
	fits := func() bool {
		if isUDP(&d.idn) {
			return d.in.held == 0 || d.in.held+memory <= limit
		}
		return d.in.held < limit
	}
	if fits() {
		return true
	}
	d.countLocked()
	return fits()
}

// countLocked finds out what the task has read.
func (d *datagram) countLocked() {
	d.in.held = 0
	for _, r := range d.in.list {
		d.in.held += r.a.memory
	}
	d.sur.Each(func(a arrival) { d.in.held += a.memory })
}

// receiveMemory is what unread datagrams cost (sk_rmem_alloc), in bytes.
func (d *datagram) receiveMemory() int {
	d.in.mu.Lock()
	defer d.in.mu.Unlock()
	d.countLocked()
	return d.in.held
}

// forward moves the oldest datagram to the surrogate. EAGAIN: there is none.
// ENOBUFS: the surrogate is full. ECONNREFUSED: it is closed, r was for nobody.
func (d *datagram) forward() (r received, errno unix.Errno) {
	d.in.mu.Lock()
	defer d.in.mu.Unlock()
	if len(d.in.list) == 0 {
		d.in.list = nil
		return received{}, unix.EAGAIN
	}
	r = d.in.list[0]
	if errno = d.sur.Push(r.data, r.a); errno == unix.EAGAIN {
		return received{}, unix.ENOBUFS
	}
	d.in.list[0] = received{}
	d.in.list = d.in.list[1:]
	if errno == 0 && d.in.awaited != nil {
		close(d.in.awaited)
		d.in.awaited = nil
	}
	return r, errno
}

// await is closed when the surrogate has got the next datagram.
func (i *inbox) await() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.awaited == nil {
		i.awaited = make(chan struct{})
	}
	return i.awaited
}

// pushNow moves what has arrived to the surrogate, where that needs nobody else: no
// error is to be shown before, nobody is about to do the same, and there is room. It
// runs on netstack's goroutine, as arrive does. false: inbound has to look.
func (d *datagram) pushNow() bool {
	if !d.pulling.TryLock() {
		return false
	}
	defer d.pulling.Unlock()
	if ep := d.tr.endpoint(); d.in.hasFailed() || ep == nil || ep.Readiness(0) != 0 {
		return false
	}
	for {
		r, errno := d.forward()
		switch errno {
		case 0, unix.EPIPE: // EPIPE: the surrogate's reading side is shut
		case unix.ECONNREFUSED:
			d.e.pumps.Go(func() { d.closeRefusing(r) })
			return true
		default:
			return errno == unix.EAGAIN
		}
	}
}

// clear throws away what has not reached the surrogate.
func (i *inbox) clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = nil
}

func (i *inbox) hasFailed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.failed != 0
}

// takeFailed takes the error of the way.
func (i *inbox) takeFailed() unix.Errno {
	i.mu.Lock()
	defer i.mu.Unlock()
	errno := i.failed
	i.failed = 0
	return errno
}
