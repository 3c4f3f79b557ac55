package netemu

import (
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/trap"
)

// connect starts the handshake; a blocking task sleeps in poll(2) on its
// surrogate, which becomes writable, or hangs up, when the outcome is known.
func (s *stream) connect(t trap.Task, fd int32, raw []byte) trap.Verdict {
	f, errno := abi.Family(raw)
	if errno != 0 {
		return trap.Fail(errno)
	}
	s.owner.Store(int32(t.PID()))
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == unix.AF_UNSPEC {
		return s.disconnectLocked(t, fd)
	}
	if s.disconnecting {
		return trap.Fail(unix.EINVAL)
	}
	if s.untold {
		s.untold = false
		return trap.Fail(s.outcomeLocked())
	}
	switch s.state {
	case connecting:
		return s.waitLocked(t, fd, unix.EALREADY)
	case connected:
		if !s.reported {
			s.reported = true
			return trap.Done(0)
		}
		return trap.Fail(unix.EISCONN)
	case listening, over:
		if s.state == over && s.failedConnect && !s.reported {
			return s.shownFirst(fd, s.outcomeLocked())
		}
		if !s.wornLocked() {
			return trap.Fail(unix.EISCONN)
		}
		return s.connectAgainLocked(t, fd, raw)
	}
	return s.startLocked(t, fd, raw)
}

// startLocked sends the SYN.
func (s *stream) startLocked(t trap.Task, fd int32, raw []byte) trap.Verdict {
	sa, errno := streamAddress(s.idn.family, raw)
	if errno != 0 {
		return trap.Fail(errno)
	}
	file, errno := s.borrowLocked(t, fd)
	if errno != 0 {
		return s.connectAgainLocked(t, fd, raw)
	}
	defer giveBack(file)
	s.e.reg.reapListeners()
	bound, errno := s.bindAgainLocked()
	if errno != 0 {
		return trap.Fail(errno)
	}
	errno = s.ep.Connect(stackAddr(sa))
	if errno != 0 && errno != unix.EINPROGRESS {
		if bound { // tcp_v4_connect looks for a port when it has a route
			s.replaceEndpointLocked(file)
		}
		return trap.Fail(errno)
	}
	s.soError, s.kept = 0, 0 // tcp_connect_init
	s.target = sa.Addr
	s.rememberLocked()
	if v, ok := s.promptLocked(t, fd, file); ok {
		return v
	}
	if errno := s.joinLocked(file, false); errno != 0 {
		s.endLocked(errno, true)
		return trap.Fail(errno)
	}
	s.state, s.decided = connecting, make(chan struct{})
	s.e.pumps.Go(s.inbound)
	return s.waitLocked(t, fd, unix.EINPROGRESS)
}

// waitLocked is the verdict for a handshake under way: busy for a non-blocking
// socket, else a wait for the outcome.
func (s *stream) waitLocked(t trap.Task, fd int32, busy unix.Errno) trap.Verdict {
	flags, errno := t.StatusFlags(fd)
	if errno != 0 {
		return trap.Fail(errno)
	}
	if flags&unix.O_NONBLOCK != 0 {
		s.reported = false
		return trap.Fail(busy)
	}
	w := &trap.Wait{FD: fd, Events: unix.POLLOUT, Timeout: s.sendTimeout, Soon: s.decided}
	w.Again = func(t trap.Task, ready bool) trap.Verdict {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.state == connecting {
			if !ready {
				return trap.Fail(busy)
			}
			w.Soon = s.decided // of another connect(2) by now
			return w.Verdict()
		}
		return trap.Fail(s.outcomeLocked())
	}
	return w.Verdict()
}

// outcomeLocked tells how the handshake ended, once (inet_stream_connect,
// sock_error): a failure whose error SO_ERROR has told is ECONNABORTED.
func (s *stream) outcomeLocked() unix.Errno {
	s.reported = true
	if s.state == connected {
		return 0
	}
	s.shutFresh = false // tcp_disconnect
	errno := s.soError
	s.soError = 0
	if errno == 0 {
		errno = unix.ECONNABORTED
	}
	return errno
}

// established waits for the handshake and tells the task how it ended.
func (s *stream) established() bool {
	giveUp := s.userTimeout()
	for {
		s.mu.Lock()
		if s.state != connecting {
			ok := s.state == connected
			s.mu.Unlock()
			return ok
		}
		ready := s.ep.Readiness(unix.POLLOUT | unix.POLLERR | unix.POLLHUP)
		if ready != 0 {
			ok := s.decideLocked(ready)
			s.mu.Unlock()
			return ok
		}
		s.mu.Unlock()
		select {
		case <-s.writable:
		case <-s.done:
			return false
		case <-giveUp:
			s.mu.Lock()
			s.failedConnect = true
			s.endLocked(unix.ETIMEDOUT, true)
			s.mu.Unlock()
			return false
		}
	}
}

// decideLocked takes the outcome of the handshake, of which netstack has shown
// events.
func (s *stream) decideLocked(events stack.Events) bool {
	errno := s.ep.TakeError()
	if errno == 0 && events&unix.POLLOUT != 0 {
		s.sur.Open() // before the other end can find it
		s.connectLocked()
		return true
	}
	s.failedConnect = true
	if errno == 0 {
		errno = unix.ECONNREFUSED
	}
	s.endLocked(errno, false)
	return false
}

// tellDecidedLocked ends the wait of a connect(2) whose engine waits by itself.
func (s *stream) tellDecidedLocked() {
	if s.decided != nil {
		close(s.decided)
		s.decided = nil
	}
}

// userTimeout fires when TCP_USER_TIMEOUT, set before connect(2), is over: it
// limits the handshake too (tcp_retransmit_timer), which netstack leaves out.
func (s *stream) userTimeout() <-chan time.Time {
	if ms, errno := s.endpoint().GetInt(stack.UserTimeout); errno == 0 && ms > 0 {
		return time.After(time.Duration(ms) * time.Millisecond)
	}
	return nil
}
