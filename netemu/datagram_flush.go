package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/trap"
)

// outbound sends what the task sends natively, to the connected peer.
func (d *datagram) outbound() {
	for {
		var p taken
		if d.sur.Await(func() bool { return d.takeOne(&p) }) != nil {
			return
		}
		if p.buf == nil {
			d.flush()
		} else {
			d.sendNow((*p.buf)[:p.n])
			d.sending.Unlock()
			datagramBuffers.Put(p.buf)
		}
		d.remind()
	}
}

// taken is a datagram that outbound has taken, in the first n bytes of a buffer of
// datagramBuffers, with sending locked. A nil buf: a trapped call is flushing, and is not
// to be waited for within Await, or the surrogate is closed.
type taken struct {
	buf *[]byte
	n   int
}

// takeOne is for Await. False: there is none.
func (d *datagram) takeOne(p *taken) bool {
	if !d.sending.TryLock() {
		return true
	}
	buf := datagramBuffers.Get().(*[]byte)
	n, err := d.sur.TryNext(*buf)
	if err == nil {
		*p = taken{buf, n}
		return true
	}
	datagramBuffers.Put(buf)
	d.sending.Unlock()
	return err != unix.EAGAIN
}

// flush sends what the task has sent natively. A trapped call does it first, so
// that the order of sends and changes to the socket is the task's.
func (d *datagram) flush() {
	d.sending.Lock()
	defer d.sending.Unlock()
	if !d.sur.Waiting() {
		return
	}
	buf := datagramBuffers.Get().(*[]byte)
	defer datagramBuffers.Put(buf)
	for range maxFlush {
		n, err := d.sur.TryNext(*buf)
		if err != nil {
			return
		}
		d.sendNow((*buf)[:n])
	}
}

// maxFlush bounds the datagrams of one flush, so that a task that goes on sending
// does not hold a trapped call of another. It is far above what waits before
// send(2) blocks: net.unix.max_dgram_qlen, 10 by default, 512 by systemd.
const maxFlush = 2048

// calledBy begins a trapped call of t: what t has sent natively goes first.
func (d *datagram) calledBy(t trap.Task) {
	d.caller.Store(int32(t.TID()))
	d.owner.Store(int32(t.PID()))
	d.mu.Lock()
	d.rests = 0
	d.mu.Unlock()
	d.flush()
}

// maxEarlier bounds the errors of earlier datagrams that come while one is sent: more
// than one or two are a flood, which is to hold up nobody.
const maxEarlier = 8

// sendNow sends to the connected peer. A failure is the socket's pending error:
// the task has its return value already.
func (d *datagram) sendNow(p []byte) {
	errno := d.gatherOrSend(p, nil, nil, false)
	for i := 0; i < maxEarlier && errno != 0 && d.takeQueued(); i++ {
		// It was the error of an earlier datagram, which the queue tells.
		errno = d.gatherOrSend(p, nil, nil, false)
	}
	if errno != 0 && errno != unix.EDESTADDRREQ && errno != unix.EPIPE {
		d.fail(errno)
	}
}
