package netemu

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/trap"
)

// On Linux a TCP socket whose connect(2) has failed, or that shutdown(2) has ended
// listening on, is as good as new. Its surrogate is not, and no other takes the
// place of one for all its copies. So the calling process gets a new socket for
// the descriptor when it uses it again.

// wornLocked says that the socket is to be replaced before it is used again.
func (s *stream) wornLocked() bool {
	return s.state == listening && s.listener.stopped() || s.state == over && s.failedConnect
}

// newLocked says that a worn socket is as good as new: it has nothing to tell.
func (s *stream) newLocked() bool { return s.wornLocked() && (s.state == listening || s.reported) }

// renewed replaces a worn socket, and makes the call again on the new one; false
// if s is none. listen(2) is not possible before connect(2) has told its failure.
func renewed(t trap.Task, c trap.Call, s socket, again func(trap.Task, trap.Call) trap.Verdict) (trap.Verdict, bool) {
	st, ok := s.(*stream)
	if !ok {
		return trap.Verdict{}, false
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.wornLocked() || c.NR == unix.SYS_LISTEN && st.state == over && !st.reported {
		return trap.Verdict{}, false
	}
	left := leftover{shut: st.shutFresh}
	if st.state == over && !st.reported {
		left = leftover{pending: st.soError, untold: true, shut: true, disconnecting: st.disconnecting}
	}
	return st.renewLocked(t, c.Int32(0), st.e.borrow, left, func(t trap.Task, _ int32, _ *stream) trap.Verdict { return again(t, c) }), true
}

// connectAgainLocked connects a new socket to raw. Its surrogate has its S.
func (s *stream) connectAgainLocked(t trap.Task, fd int32, raw []byte) trap.Verdict {
	return s.renewLocked(t, fd, false, leftover{}, func(t trap.Task, fd int32, n *stream) trap.Verdict { return n.connect(t, fd, raw) })
}

// disconnectLocked is connect(AF_UNSPEC): the socket becomes a fresh one. One that
// had a connection is told of the reset that the peer gets, and one whose connect(2)
// has failed is still to be told of that (tcp_disconnect).
func (s *stream) disconnectLocked(t trap.Task, fd int32) trap.Verdict {
	if s.state == fresh {
		s.untold, s.disconnecting, s.shutFresh = false, false, false
		return trap.Done(0)
	}
	var left leftover
	switch {
	case s.state == connecting || s.state == connected:
		left.pending = unix.ECONNRESET
	case s.failedConnect:
		left.pending = s.soError
	}
	return s.renewLocked(t, fd, s.e.borrow, left, func(trap.Task, int32, *stream) trap.Verdict { return trap.Done(0) })
}

// leftover is what a new socket has of the one before: its error, that connect(2)
// has not told its failure, what shutdown(2) did then, and that it is shut, as a
// failed connection is until connect(2) has told that (tcp_disconnect).
type leftover struct {
	pending                     unix.Errno
	untold, disconnecting, shut bool
}

// renewLocked puts a new socket in the place of one whose surrogate has ended, in
// the calling process only, and goes on with then. It keeps its options, what
// bind(2) has chosen, and the port that getsockname(2) tells.
func (s *stream) renewLocked(t trap.Task, fd int32, idle bool, left leftover, then func(trap.Task, int32, *stream) trap.Verdict) trap.Verdict {
	flags, errno := t.StatusFlags(fd)
	if errno != 0 {
		return trap.Fail(errno)
	}
	closed, errno := t.CloseOnExec(fd)
	if errno != 0 {
		return trap.Fail(errno)
	}
	s.endLocked(0, true)
	ep, errno := s.e.newEndpoint(s.idn.family)
	if errno != 0 {
		return trap.Fail(errno)
	}
	sur, pair, err := newSurrogate(idle, flags&unix.O_NONBLOCK != 0)
	if err != nil {
		ep.Close()
		return trap.Fail(surrogateErrno(err))
	}
	id := s.idn
	id.inode = pair.Inode
	n := s.e.prepareStream(id, ep, sur)
	n.soError, n.bound, n.local = left.pending, s.bound, s.lastNameLocked()
	n.untold, n.disconnecting, n.shutFresh = left.untold, left.disconnecting, left.shut
	n.start(idle)
	keepOptions(s, n, pair.T)
	n.keepBoundLocked(ep)
	i := &trap.Install{File: pair.T, At: fd, CloseOnExec: closed, Failed: func(unix.Errno) { n.close() }}
	i.Then = func(t trap.Task, fd int32) trap.Verdict { return then(t, fd, n) }
	return i.Verdict()
}

// lastNameLocked is what getsockname(2) tells when the connection is gone: the
// address is left if bind(2) has chosen it, and the port in any case (inet_sport).
func (s *stream) lastNameLocked() stack.Addr {
	s.rememberLocked()
	if s.bound != nil {
		return stack.Addr{AddrPort: netip.AddrPortFrom(s.bound.Addr(), s.local.Port()), NIC: s.bound.NIC}
	}
	return stack.Addr{AddrPort: netip.AddrPortFrom(netip.Addr{}, s.local.Port())}
}
