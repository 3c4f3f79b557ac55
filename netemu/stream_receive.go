package netemu

import (
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// receive lets the kernel read the surrogate, which has no name to tell, like a
// connected TCP socket.
func (s *stream) receive(t trap.Task, c trap.Call) trap.Verdict {
	if c.NR == unix.SYS_RECVMMSG {
		if _, errno := receiveDeadline(t, c); errno != 0 {
			return trap.Fail(errno)
		}
	}
	flags, errno := s.checkReceive(t, c)
	if errno != 0 && c.NR == unix.SYS_RECVMMSG && flags&unix.MSG_ERRQUEUE == 0 {
		return s.shownFirst(c.Int32(0), errno)
	}
	if errno != 0 {
		return trap.Fail(errno)
	}
	if c.NR == unix.SYS_RECVMMSG && c.Int32(2) == 0 {
		return s.receiveNone(c.Int32(0), flags)
	}
	s.mu.Lock()
	state, keeps := s.state, s.kept != 0
	if s.newLocked() {
		state = fresh
	}
	s.mu.Unlock()
	switch {
	case flags&unix.MSG_ERRQUEUE != 0:
		return trap.Fail(unix.EAGAIN)
	case state == listening:
		return trap.Fail(unix.ENOTCONN)
	case flags&unix.MSG_OOB != 0:
		return s.receiveUrgent(c)
	case state != fresh:
		return s.readFirst(t, c, state == over, keeps)
	}
	if errno := s.takeUnshown(); errno != 0 {
		return trap.Fail(errno)
	}
	if s.shutUnconnected() {
		return s.receiveNothing(t, c)
	}
	return trap.Fail(unix.ENOTCONN)
}

// receiveUrgent finds no urgent data. recvmmsg(2) looks for a pending error first.
func (s *stream) receiveUrgent(c trap.Call) trap.Verdict {
	if c.NR == unix.SYS_RECVMMSG {
		return s.shownFirst(c.Int32(0), unix.EINVAL)
	}
	return trap.Fail(unix.EINVAL)
}

// receiveNone is a recvmmsg(2) of no messages, which looks for a pending error all the
// same (do_recvmmsg).
func (s *stream) receiveNone(fd, flags int32) trap.Verdict {
	if flags&unix.MSG_ERRQUEUE != 0 {
		return trap.Done(0)
	}
	return s.shownFirst(fd, 0)
}

// checkReceive makes the checks of the system call itself and finds its flags.
func (s *stream) checkReceive(t trap.Task, c trap.Call) (flags int32, errno unix.Errno) {
	switch c.NR {
	case unix.SYS_RECVFROM:
		return c.Int32(3), 0
	case unix.SYS_RECVMSG:
		return c.Int32(2), checkMsghdr(t, c.Pointer(1), false)
	}
	flags = c.Int32(3)
	if flags&unix.MSG_ERRQUEUE == 0 {
		errno = s.takeUnshown() // do_recvmmsg begins with it
	}
	if errno == 0 && c.Int32(2) != 0 {
		errno = checkMsghdr(t, c.Pointer(1), false)
	}
	return flags, errno
}

// receiveNothing is a receiving call on a socket without a connection whose reading
// side is shut: receiveMsg finds the end of the stream.
func (s *stream) receiveNothing(t trap.Task, c trap.Call) trap.Verdict {
	switch c.NR {
	case unix.SYS_RECVFROM:
		return trap.Fail(writeAddress(t, nil, c.Pointer(4), c.Pointer(5)))
	case unix.SYS_RECVMSG:
		return s.receiveMsg(t, c, c.Pointer(1), c.Int32(2), s.corrected)
	}
	end, _ := receiveDeadline(t, c) // checked before
	return s.receiveEach(t, c, end, 0)
}

func (s *stream) shutUnconnected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shutFresh && (s.state == fresh || s.newLocked())
}

// readFirst is a receiving call of a connection. A kept error comes when there is
// nothing to read (tcp_recvmsg_locked).
func (s *stream) readFirst(t trap.Task, c trap.Call, ended, keeps bool) trap.Verdict {
	if !keeps {
		return s.readNameless(t, c, ended)
	}
	look := &trap.Receive{FD: c.Int32(0), Flags: unix.MSG_DONTWAIT | unix.MSG_PEEK}
	look.Then = func(t trap.Task, ret int64, _ int, _ int32) trap.Verdict {
		if ret == -int64(unix.EAGAIN) {
			if errno := s.takeUnshown(); errno != 0 {
				return trap.Fail(errno)
			}
		}
		v := s.readNameless(t, c, ended)
		if v.Kind == trap.KindNative && (v.Native == nil || v.Native.Args == nil) { // not from here
			args := c.Args
			return trap.RunThen(&args, s.corrected)
		}
		return v
	}
	return look.Verdict()
}

// readNameless lets the kernel run a receiving call. An address that it asks for
// has a length of 0, as tcp_recvmsg says; the surrogate's other end has a name of
// its own, which is nobody's business.
func (s *stream) readNameless(t trap.Task, c trap.Call, ended bool) trap.Verdict {
	switch {
	case c.NR == unix.SYS_RECVFROM && c.Pointer(4) != 0:
		args := c.Args
		args[4], args[5] = 0, 0
		return trap.RunThen(&args, func(t trap.Task, ret int64) trap.Verdict {
			if ret >= 0 {
				if errno := moveAddress(t, nil, c.Pointer(4), c.Pointer(5)); errno != 0 {
					return trap.Fail(errno)
				}
			}
			return s.corrected(t, ret)
		})
	case c.NR == unix.SYS_RECVMSG && named(t, c.Pointer(1)):
		return s.receiveMsg(t, c, c.Pointer(1), c.Int32(2), s.corrected)
	case c.NR == unix.SYS_RECVMMSG:
		// An error behind the first message would stay with the surrogate.
		end, _ := receiveDeadline(t, c) // checked before
		return s.receiveEach(t, c, end, 0)
	case ended:
		return trap.RunThen(nil, s.corrected)
	}
	return trap.Run()
}

// named says whether the msghdr at addr asks for an address.
func named(t trap.Task, addr uint64) bool {
	h, errno := copyMsghdr(t, addr)
	return errno == 0 && h.Name != 0
}

// receiveMsg receives into the msghdr at addr, whose name stays empty, and ends
// with then.
func (s *stream) receiveMsg(t trap.Task, c trap.Call, addr uint64, flags int32, then func(trap.Task, int64) trap.Verdict) trap.Verdict {
	errno := checkMsghdr(t, addr, false)
	h, e := copyMsghdr(t, addr)
	if errno == 0 {
		errno = e
	}
	if errno != 0 {
		return then(t, -int64(errno))
	}
	finish := func(t trap.Task, n int64, shown int, _ int32) trap.Verdict {
		if n < 0 {
			return then(t, n)
		}
		m := delivered{n: n, flags: shown, nameless: true}
		if errno := writeMsghdr(t, addr, h, m); errno != 0 {
			n = -int64(errno)
		}
		return then(t, n)
	}
	if s.shutUnconnected() {
		return finish(t, 0, int(flags)&unix.MSG_CMSG_CLOEXEC, -1)
	}
	q := &trap.Receive{FD: c.Int32(0), IOV: h.IOV, IOVLen: h.IOVLen, Flags: int(flags), Then: finish}
	if h.IOVLen == 0 {
		q.Buf = nowhere
	}
	return q.Verdict()
}

// receiveEach is recvmmsg(2) from message i on; an error ends it.
func (s *stream) receiveEach(t trap.Task, c trap.Call, end time.Time, i uint32) trap.Verdict {
	addr := c.Pointer(1) + uint64(i)*abi.SizeofMMsghdr
	flags := c.Int32(3)
	if i > 0 && flags&unix.MSG_WAITFORONE != 0 {
		flags |= unix.MSG_DONTWAIT
	}
	return s.receiveMsg(t, c, addr, flags&^unix.MSG_WAITFORONE, func(t trap.Task, n int64) trap.Verdict {
		if n >= 0 {
			if errno := writeInt32(t, addr+abi.OffsetMMsghdrLen, int32(n)); errno != 0 {
				n = -int64(errno)
			}
		}
		switch {
		case n < 0 && i == 0:
			return s.corrected(t, n)
		case n < 0:
			s.keepError(unix.Errno(-n))
			return receivedMany(t, c, end, int64(i))
		case i+1 == min(uint32(c.Args[2]), maxIovec), !end.IsZero() && time.Now().After(end):
			return receivedMany(t, c, end, int64(i+1))
		}
		return s.receiveEach(t, c, end, i+1)
	})
}

// keepError keeps the error that has ended a recvmmsg(2) after its first message for
// the next call (do_recvmmsg).
func (s *stream) keepError(errno unix.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errno != unix.EAGAIN {
		s.kept = errno
	}
}

// corrected ends a native receive with the errno that the surrogate's reset
// stands for.
func (s *stream) corrected(t trap.Task, ret int64) trap.Verdict {
	if unix.Errno(-ret) == unix.ECONNRESET {
		if errno := s.takeError(true); errno != 0 {
			return trap.Fail(errno)
		}
	}
	return passOn(t, ret)
}
