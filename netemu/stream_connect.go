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
	switch s.state {
	case connecting:
		return s.waitLocked(t, fd, unix.EALREADY)
	case connected:
		if !s.reported {
			s.reported = true
			return trap.Done(0)
		}
		return trap.Fail(unix.EISCONN)
	case listening:
		return trap.Fail(unix.EISCONN)
	case over:
		if !s.failedConnect {
			return trap.Fail(unix.EISCONN)
		}
		if !s.reported {
			return trap.Fail(s.outcomeLocked())
		}
		return s.renewLocked(t, fd, raw)
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
		return s.renewLocked(t, fd, raw)
	}
	defer giveBack(file)
	s.e.reg.reapListeners()
	errno = s.ep.Connect(stackAddr(sa))
	if errno != 0 && errno != unix.EINPROGRESS {
		return trap.Fail(errno)
	}
	s.target = sa.Addr
	s.rememberLocked()
	if v, ok := s.promptLocked(t, fd, file); ok {
		return v
	}
	if errno := s.joinLocked(file, false); errno != 0 {
		s.endLocked(errno, true)
		return trap.Fail(errno)
	}
	s.state = connecting
	s.e.wg.Add(1) // inbound
	go s.inbound()
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
	w := &trap.Wait{FD: fd, Events: unix.POLLOUT, Timeout: s.sendTimeout}
	w.Again = func(t trap.Task, ready bool) trap.Verdict {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.state == connecting {
			if !ready {
				return trap.Fail(busy)
			}
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
	errno := s.soError
	s.soError = 0
	if errno == 0 {
		errno = unix.ECONNABORTED
	}
	return errno
}

// disconnectLocked is connect(AF_UNSPEC): the socket becomes a fresh one.
func (s *stream) disconnectLocked(t trap.Task, fd int32) trap.Verdict {
	if s.state == fresh {
		return trap.Done(0)
	}
	if s.state != over {
		s.endLocked(0, true)
	}
	return s.renewLocked(t, fd, nil)
}

// renewLocked puts a new socket in the place of one whose surrogate has ended,
// in the calling process only, and connects it to raw if that is an address.
// Options are kept.
func (s *stream) renewLocked(t trap.Task, fd int32, raw []byte) trap.Verdict {
	flags, errno := t.StatusFlags(fd)
	if errno != 0 {
		return trap.Fail(errno)
	}
	ep, errno := s.e.newEndpoint(s.idn.family)
	if errno != 0 {
		return trap.Fail(errno)
	}
	idle := s.e.borrow && raw == nil
	sur, pair, err := newSurrogate(idle, flags&unix.O_NONBLOCK != 0)
	if err != nil {
		ep.Close()
		return trap.Fail(surrogateErrno(err))
	}
	id := s.idn
	id.inode = pair.Inode
	n := s.e.prepareStream(id, ep, sur)
	n.start(idle)
	keepOptions(s, n, pair.T)
	i := &trap.Install{File: pair.T, At: fd, CloseOnExec: flags&unix.O_CLOEXEC != 0, Failed: func(unix.Errno) { n.close() }}
	i.Then = func(t trap.Task, fd int32) trap.Verdict {
		if raw == nil {
			return trap.Done(0)
		}
		return n.connect(t, fd, raw)
	}
	return i.Verdict()
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

// userTimeout fires when TCP_USER_TIMEOUT, set before connect(2), is over: it
// limits the handshake too (tcp_retransmit_timer), which netstack leaves out.
func (s *stream) userTimeout() <-chan time.Time {
	if ms, errno := s.endpoint().GetInt(stack.UserTimeout); errno == 0 && ms > 0 {
		return time.After(time.Duration(ms) * time.Millisecond)
	}
	return nil
}
