package surrogate

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// Datagram is the supervisor's end of a datagram surrogate. M is what the
// supervisor wants to remember of each datagram until the task has read it:
// where it came from, and its control data.
type Datagram[M any] struct {
	f  *os.File
	rc syscall.RawConn
	// t and s are the abstract names of T and S; s is empty until Raise needs
	// it. T's peer is S, so nobody else can send to it (unix_may_send).
	t, s *unix.SockaddrUnix

	mu     sync.Mutex
	unread []pushed[M]
	// saved are datagrams of the task that Raise had to take out of S's queue.
	saved [][]byte
	dead  bool
}

// pushed is one datagram in T's queue; charge is what it adds to SIOCOUTQ.
type pushed[M any] struct {
	meta   M
	charge int
}

// pruneAt is how many remembered datagrams make Push look which of them the
// task has read natively since: rare enough not to matter, small enough to
// keep.
const pruneAt = 64

// MaxDatagram is the largest datagram that a surrogate carries: a packet as large
// as lo's MTU of 65536 bytes with its Ethernet header. UDP's largest payload is
// 65507 bytes, a netlink reply 32 KiB.
const MaxDatagram = 1<<16 + 14

// NewDatagram makes a datagram surrogate.
func NewDatagram[M any](nonblock bool) (*Datagram[M], Pair, error) {
	p, err := newPair(unix.SOCK_DGRAM, nonblock)
	if err != nil {
		return nil, Pair{}, err
	}
	d := &Datagram[M]{f: os.NewFile(uintptr(p.S), "surrogate"), t: abstractName()}
	if err = unix.Bind(p.T, d.t); err == nil {
		d.rc, err = d.f.SyscallConn()
	}
	if err != nil {
		d.f.Close()
		unix.Close(p.T)
		return nil, Pair{}, fmt.Errorf("surrogate: %w", err)
	}
	return d, p, nil
}

// abstractName is a fresh name in the abstract namespace (unix(7)).
func abstractName() *unix.SockaddrUnix {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return &unix.SockaddrUnix{Name: "@netbox-" + hex.EncodeToString(b[:])}
}

// Push queues a datagram on T. EAGAIN: T's queue is full, see WaitWritable.
// ECONNREFUSED: every copy of T is closed.
func (d *Datagram[M]) Push(p []byte, meta M) unix.Errno {
	charge, errno := chargeOf(len(p))
	if errno != 0 {
		return errno
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.unread) >= pruneAt {
		d.pruneLocked()
	}
	errno = unix.ECONNREFUSED
	d.control(func(fd int) {
		_, err := quick.Send(fd, p)
		errno = errnoOf(err)
	})
	switch errno {
	case 0:
		d.unread = append(d.unread, pushed[M]{meta, charge})
	case unix.ECONNREFUSED, unix.ENOTCONN: // EPIPE: T's read half is shut
		d.dead = true
		errno = unix.ECONNREFUSED
	}
	return errno
}

// WaitWritable waits until T's queue has room for a datagram of any size.
func (d *Datagram[M]) WaitWritable() error {
	return d.rc.Write(func(fd uintptr) bool { return quick.Poll(int(fd), unix.POLLOUT) != 0 })
}

// Waiting says that TryNext would find something.
func (d *Datagram[M]) Waiting() (ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.control(func(fd int) { ok = len(d.saved) > 0 || quick.Poll(fd, unix.POLLIN)&unix.POLLIN != 0 })
	return ok
}

// Oldest is what was remembered of the datagram that the task will read next;
// false if T's queue is empty.
func (d *Datagram[M]) Oldest() (meta M, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pruneLocked()
	if len(d.unread) == 0 {
		return meta, false
	}
	return d.unread[0].meta, true
}

// Each calls f with what was remembered of every datagram in T's queue.
func (d *Datagram[M]) Each(f func(M)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pruneLocked()
	for _, u := range d.unread {
		f(u.meta)
	}
}

// Queued is the number of datagrams in T's queue.
func (d *Datagram[M]) Queued() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pruneLocked()
	return len(d.unread)
}

// pruneLocked forgets the datagrams that were read: SIOCOUTQ on S is the sum of
// the charges of those that were not, and reading is first in, first out.
func (d *Datagram[M]) pruneLocked() {
	if len(d.unread) == 0 {
		return
	}
	queued := 0
	d.control(func(fd int) { queued, _ = quick.Queue(fd, unix.SIOCOUTQ) })
	first := len(d.unread)
	for first > 0 && queued >= d.unread[first-1].charge {
		first--
		queued -= d.unread[first].charge
	}
	d.unread = append(d.unread[:0], d.unread[first:]...)
}

// Await calls try now, and when the task has sent a datagram natively, until it is
// satisfied. try may not close the Datagram, nor wait for who does. os.ErrClosed: the
// Datagram was closed.
func (d *Datagram[M]) Await(try func() bool) error {
	if d.rc.Read(func(uintptr) bool { return try() }) != nil {
		return os.ErrClosed
	}
	return nil
}

// TryNext takes the oldest datagram that the task sent natively, in buf. EAGAIN:
// there is none. One caller at a time.
func (d *Datagram[M]) TryNext(buf []byte) (n int, err error) {
	err = os.ErrClosed
	d.control(func(fd int) { n, err = d.take(fd, buf) })
	return n, err
}

func (d *Datagram[M]) take(fd int, buf []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.saved) > 0 {
		n := copy(buf, d.saved[0])
		d.saved = d.saved[1:]
		return n, nil
	}
	return quick.Recv(fd, buf, 0)
}

// Alive says whether a copy of T is still open: connecting S to T's name once
// more is a no-op while it is, and fails with ECONNREFUSED when T is gone.
func (d *Datagram[M]) Alive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.dead {
		d.control(func(fd int) { d.dead = unix.Connect(fd, d.t) == unix.ECONNREFUSED })
	}
	return !d.dead
}

// Close ends the surrogate.
func (d *Datagram[M]) Close() { d.f.Close() }

func (d *Datagram[M]) control(f func(fd int)) {
	_ = d.rc.Control(func(fd uintptr) { f(int(fd)) })
}

func errnoOf(err error) unix.Errno {
	if err == nil {
		return 0
	}
	if e, ok := err.(unix.Errno); ok {
		return e
	}
	return unix.EIO
}
