package netemu

import (
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// recvRequest is one message that a receiving call asks for: where the payload
// goes (an iovec array, or a plain buffer), and what to do with the rest.
type recvRequest struct {
	iov, iovLen uint64
	buf, bufLen uint64
	flags       int
	finish      func(t trap.Task, m delivered) trap.Verdict
	// failed ends a recvmmsg(2) that has messages already, nil else.
	failed func(unix.Errno) trap.Verdict
}

func (r recvRequest) fail(errno unix.Errno) trap.Verdict {
	if r.failed != nil {
		return r.failed(errno)
	}
	return trap.Fail(errno)
}

// delivered is a message whose payload the task has.
type delivered struct {
	n       int64
	flags   int
	from    abi.Sockaddr
	control []abi.Cmsg
	// nameless: the address has a length of 0.
	nameless bool
}

// receive is recvfrom(2) with an address, recvmsg(2) and recvmmsg(2).
func (d *datagram) receive(t trap.Task, c trap.Call) trap.Verdict {
	d.calledBy(t)
	switch c.NR {
	case unix.SYS_RECVMSG:
		done := func(_ trap.Task, n int64) trap.Verdict { return trap.Done(n) }
		return d.receiveMsg(t, c.Int32(0), c.Pointer(1), recvRequest{flags: int(c.Int32(2))}, done)
	case unix.SYS_RECVMMSG:
		return d.receiveMany(t, c)
	}
	r := recvRequest{buf: c.Pointer(1), bufLen: min(c.Args[2], maxTransfer), flags: int(c.Int32(3))}
	r.finish = func(t trap.Task, m delivered) trap.Verdict {
		if errno := writeAddress(t, m.from.Bytes(), c.Pointer(4), c.Pointer(5)); errno != 0 {
			return trap.Fail(errno)
		}
		return trap.Done(m.n)
	}
	return d.receiveOne(t, c.Int32(0), r, d.deadline())
}

// receiveMsg receives into the struct msghdr at addr and ends with then.
func (d *datagram) receiveMsg(t trap.Task, fd int32, addr uint64, r recvRequest, then func(trap.Task, int64) trap.Verdict) trap.Verdict {
	if errno := checkMsghdr(t, addr, false); errno != 0 {
		return r.fail(errno)
	}
	h, errno := copyMsghdr(t, addr)
	if errno != 0 {
		return r.fail(errno)
	}
	r.iov, r.iovLen = h.IOV, h.IOVLen
	r.finish = func(t trap.Task, m delivered) trap.Verdict {
		if errno := writeMsghdr(t, addr, h, m); errno != 0 {
			return r.fail(errno)
		}
		return then(t, m.n)
	}
	return d.receiveOne(t, fd, r, d.deadline())
}

// writeMsghdr writes back what recvmsg(2) tells beside the payload, in the order of
// ____sys_recvmsg: a program may have one lie upon the other.
func writeMsghdr(t trap.Task, addr uint64, h abi.Msghdr, m delivered) unix.Errno {
	control := []byte(nil)
	room := int(min(h.ControlLen, maxControl))
	if h.Control == 0 {
		room = 0
	}
	for _, c := range m.control {
		var truncated bool
		if control, truncated = abi.AppendCmsg(control, room, c); truncated {
			m.flags |= unix.MSG_CTRUNC
		}
	}
	if len(control) > 0 && t.WriteMemory(h.Control, control) != 0 {
		control = nil // nobody looks whether put_cmsg fails
	}
	if h.Name != 0 {
		var name []byte
		if !m.nameless {
			name = m.from.Bytes()
		}
		if errno := moveAddress(t, name, h.Name, addr+abi.OffsetMsghdrNameLen); errno != 0 {
			return errno
		}
	}
	h.ControlLen, h.Flags = uint64(len(control)), uint32(m.flags)
	return t.WriteMemory(addr+abi.OffsetMsghdrControlLen, h.Bytes()[abi.OffsetMsghdrControlLen:abi.OffsetMsghdrFlags+4])
}

// maxControl is the default net.core.optmem_max since Linux 6.7, in bytes: no
// control buffer of a message is larger.
const maxControl = 128 << 10

// deadline is when SO_RCVTIMEO ends a wait that starts now; zero: never.
func (d *datagram) deadline() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.receiveTimeout < 0 {
		return time.Time{}
	}
	return time.Now().Add(d.receiveTimeout)
}

// nowhere is the address of a buffer without length: trap.Receive takes 0 for a
// message of no interest, and tells how much there was of it.
const nowhere = 1

// receiveOne takes one datagram off the surrogate. The gate keeps two tasks
// from taking datagrams at once, so that each is told the right source.
func (d *datagram) receiveOne(t trap.Task, fd int32, r recvRequest, deadline time.Time) trap.Verdict {
	isNetlink := d.idn.family == unix.AF_NETLINK
	switch {
	case r.flags&unix.MSG_OOB != 0 && (isNetlink || d.idn.protocol != unix.IPPROTO_UDP):
		return r.fail(unix.EOPNOTSUPP)
	case r.flags&unix.MSG_ERRQUEUE != 0 && !isNetlink:
		return d.receiveError(t, fd, r)
	case r.iovLen == 0 && r.bufLen == 0:
		r.buf = nowhere
	}
	var a arrival
	q := &trap.Receive{
		FD: fd, IOV: r.iov, IOVLen: r.iovLen, Buf: r.buf, BufLen: r.bufLen, Gate: d,
		Flags: unix.MSG_DONTWAIT | r.flags&(unix.MSG_PEEK|unix.MSG_TRUNC),
	}
	q.Check = func(t trap.Task) *trap.Verdict {
		if errno := d.errorBefore(); errno != 0 {
			v := r.fail(errno)
			return &v
		}
		var there bool
		if a, there = d.answer(t, fd, r); there {
			return nil
		}
		v := d.waitForOne(t, fd, r, deadline)
		if errno := d.unraisedError(); errno != 0 {
			v = r.fail(errno)
		}
		return &v
	}
	q.Then = func(t trap.Task, n int64, flags int, _ int32) trap.Verdict {
		if n < 0 {
			return d.receiveFailed(t, fd, r, deadline, unix.Errno(-n))
		}
		d.remind()
		return r.finish(t, delivered{n: n, flags: flags&^unix.MSG_CMSG_CLOEXEC | r.flags&unix.MSG_CMSG_CLOEXEC, from: a.from, control: d.want.messages(d.idn.family, a)})
	}
	return q.Verdict()
}

// errorBefore takes a pending error that the surrogate does not show: it comes before
// data (__skb_try_recv_datagram).
func (d *datagram) errorBefore() unix.Errno {
	d.takeArrived()
	return d.unraisedError()
}

// receiveFailed is the verdict on the surrogate's errno: of a pending error, or
// for want of a datagram.
func (d *datagram) receiveFailed(t trap.Task, fd int32, r recvRequest, deadline time.Time, errno unix.Errno) trap.Verdict {
	switch errno {
	case unix.ECONNRESET:
		if errno := d.takeReceived(); errno != 0 {
			return r.fail(errno)
		}
		return d.receiveOne(t, fd, r, deadline)
	case unix.EAGAIN:
		return d.waitForOne(t, fd, r, deadline)
	}
	return r.fail(errno)
}

// oldest is the datagram that a receive would take now; true also if it would
// take the pending error.
func (d *datagram) oldest() (arrival, bool) {
	if a, ok := d.sur.Oldest(); ok {
		return a, true
	}
	d.pull()
	a, ok := d.sur.Oldest()
	return a, ok || d.showsError()
}

// answer is oldest, or what comes soon to a task that waits and has sent something since
// it last waited: a host nearby answers at once.
func (d *datagram) answer(t trap.Task, fd int32, r recvRequest) (a arrival, there bool) {
	if a, there = d.oldest(); there || !d.asked.Swap(false) {
		return a, there
	}
	flags, errno := t.StatusFlags(fd)
	if errno != 0 || (flags|r.flags<<nonblockShift)&unix.O_NONBLOCK != 0 {
		return a, false
	}
	d.e.answers.await(d.arrived, func() bool {
		a, there = d.oldest()
		return there
	})
	return a, there
}

func (d *datagram) showsError() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.raised
}

// waitForOne is the verdict while there is nothing to receive.
func (d *datagram) waitForOne(t trap.Task, fd int32, r recvRequest, deadline time.Time) trap.Verdict {
	flags, errno := t.StatusFlags(fd)
	if errno != 0 {
		return r.fail(errno)
	}
	wait := time.Duration(-1)
	if !deadline.IsZero() {
		wait = time.Until(deadline)
	}
	if (flags|r.flags<<nonblockShift)&unix.O_NONBLOCK != 0 || !deadline.IsZero() && wait <= 0 {
		d.remind()
		return r.fail(unix.EAGAIN)
	}
	d.mu.Lock()
	shut := d.readShut
	d.mu.Unlock()
	if shut {
		return r.finish(t, delivered{})
	}
	d.rest()
	w := &trap.Wait{FD: fd, Events: unix.POLLIN, Timeout: wait}
	w.Again = func(t trap.Task, ready bool) trap.Verdict {
		if !ready {
			d.remind()
			return r.fail(unix.EAGAIN)
		}
		return d.receiveOne(t, fd, r, deadline)
	}
	return w.Verdict()
}

// nonblockShift moves MSG_DONTWAIT (0x40) to O_NONBLOCK (0x800).
const nonblockShift = 5

// scatter writes p to where the request wants it and returns how much fitted.
func scatter(t trap.Task, r recvRequest, p []byte) (int, unix.Errno) {
	if r.iovLen == 0 {
		n := int(min(uint64(len(p)), r.bufLen))
		return n, t.WriteMemory(r.buf, p[:n])
	}
	vec, errno := copyIovec(t, r.iov, r.iovLen)
	if errno != 0 {
		return 0, errno
	}
	done := 0
	for _, v := range vec {
		n := int(min(v.length, uint64(len(p)-done)))
		if n == 0 {
			continue
		}
		if errno := t.WriteMemory(v.base, p[done:done+n]); errno != 0 {
			return done, errno
		}
		done += n
	}
	return done, 0
}
