package icmp

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// readiness is what a poll found to do.
type readiness struct {
	requests, v4, v6 bool
}

// poll waits until there is something to do. While replies wait for the
// supervisor it waits for that alone.
func (e *Engine) poll() (readiness, error) {
	var fds [3 + len(e.senders)]unix.PollFd
	ctl, v4, v6 := &fds[0], &fds[1], &fds[2]
	// ppoll passes over negative ones.
	ctl.Fd, v4.Fd, v6.Fd = int32(e.ctl), int32(e.v4.recv), int32(e.v6.recv)
	blocked := false
	for i := range e.senders {
		fds[3+i].Fd = -1
		if e.senders[i].blocked {
			blocked = true
			fds[3+i].Fd, fds[3+i].Events = int32(e.senders[i].fd), unix.POLLOUT
		}
	}
	var timeout *unix.Timespec
	switch {
	case !e.replies.empty():
		ctl.Events = unix.POLLOUT
		v4.Fd, v6.Fd = -1, -1
	case blocked:
		v4.Events, v6.Events = unix.POLLIN, unix.POLLIN
	case e.pending():
		v4.Events, v6.Events = unix.POLLIN, unix.POLLIN
		ts := unix.NsecToTimespec(int64(max(0, e.pace.pause())))
		timeout = &ts
	default:
		ctl.Events, v4.Events, v6.Events = unix.POLLIN, unix.POLLIN, unix.POLLIN
	}
	switch _, err := unix.Ppoll(fds[:], timeout, nil); err {
	case nil:
	case unix.EINTR:
		return readiness{}, nil
	default:
		return readiness{}, fmt.Errorf("ppoll: %w", err)
	}
	if ctl.Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
		return readiness{}, errHangUp
	}
	return readiness{requests: ctl.Revents&unix.POLLIN != 0, v4: v4.Revents != 0, v6: v6.Revents != 0}, nil
}

// pending tells whether requests of the last message are still to be sent.
func (e *Engine) pending() bool {
	if e.taken < len(e.requests) {
		return true
	}
	for i := range e.senders {
		if e.senders[i].pending() {
			return true
		}
	}
	return false
}

// transmit sends what the pace allows.
func (e *Engine) transmit() {
	if e.taken < len(e.requests) {
		now := monotonic()
		n := min(len(e.requests)-e.taken, e.pace.allow(now))
		e.pace.spend(n)
		for i := range e.requests[e.taken : e.taken+n] {
			e.enqueue(&e.requests[e.taken+i], now)
		}
		e.taken += n
	}
	for i := range e.senders {
		e.send(&e.senders[i])
	}
}

// enqueue gives a request a slot and puts it into a sender's batch, which
// always has room: a message holds no more requests than a batch.
func (e *Engine) enqueue(r *Request, now int64) {
	errno := r.validate()
	socks, base := &e.v4, 0
	if r.Dst.Is6() {
		socks, base = &e.v6, 2
	}
	if errno == 0 {
		errno = socks.errno
	}
	var index uint32
	if errno == 0 {
		var ok bool
		if index, ok = e.table.put(r, now); !ok {
			errno = unix.ENOBUFS
		}
	}
	if errno != 0 {
		e.replies.addReply(&Reply{Token: r.Token, ID: r.ID, Seq: r.Seq, Dst: r.Dst, Kind: SendFailure, Errno: errno})
		return
	}
	if r.DF {
		base++
	}
	e.senders[base].add(r, index, e.base|uint16(index>>16), uint16(index))
}

// send sends a batch as far as the socket takes it.
func (e *Engine) send(s *rawSender) {
	s.blocked = false
	for s.pending() {
		before := time.Now().UnixNano()
		n, errno := sendmmsg(s.fd, s.hdrs[s.done:s.n])
		switch errno {
		case 0:
			e.stampSent(s.slots[s.done:s.done+n], before, time.Now().UnixNano())
			s.done += n
		case unix.EAGAIN:
			s.blocked = true
			return
		default:
			e.sendFailed(s.slots[s.done], before, errno)
			s.done++
		}
	}
	s.reset()
}

// stampSent spreads the time that sendmmsg(2) took over its packets: packet i
// of n left in the i-th part of it.
func (e *Engine) stampSent(slots []uint32, before, after int64) {
	for i, index := range slots {
		e.table.at(index).sent = before + (after-before)*int64(i)/int64(len(slots))
	}
}

func (e *Engine) sendFailed(index uint32, at int64, errno unix.Errno) {
	s := e.table.at(index)
	s.sent = at
	r := s.reply(SendFailure)
	r.Errno = errno
	e.replies.addReply(&r)
	s.release()
}

// flush hands replies to the supervisor until it takes no more.
func (e *Engine) flush() error {
	for !e.replies.empty() {
		m := e.replies.first()
		binary.BigEndian.PutUint32(m[4:], e.overflows4+e.overflows6)
		_, err := unix.Write(e.ctl, m)
		switch err {
		case nil:
			e.replies.pop()
		case unix.EAGAIN:
			return nil
		case unix.EINTR:
		case unix.EPIPE:
			return nil // the next poll sees the hang-up
		default:
			return fmt.Errorf("write replies: %w", err)
		}
	}
	return nil
}
