package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/trap"
)

// promptLocked answers a connect(2) within the sandbox, whose outcome Linux knows
// before the call returns, or one that waits in any case and whose outcome comes
// soon; false if the surrogate must show it later. file is what borrowLocked gave.
func (s *stream) promptLocked(t trap.Task, fd int32, file int) (trap.Verdict, bool) {
	flags, errno := t.StatusFlags(fd)
	if errno != 0 {
		return trap.Verdict{}, false
	}
	blocking := flags&unix.O_NONBLOCK == 0
	var ready stack.Events
	switch {
	case s.e.local(s.target.Addr()):
		ready = s.outcomeSoonLocked()
	case blocking:
		ready = s.answerSoonLocked()
	}
	switch {
	case ready == 0:
	case ready&unix.POLLERR == 0 && sending(s.ep.TCPState()):
		return s.connectedLocked(file, blocking), true
	case blocking && !s.idle: // the surrogate must tell that it is over
	case blocking:
		return s.refusedLocked(file)
	case s.joinLocked(file, false) == 0:
		s.state, s.reported = connecting, false
		if s.decideLocked(ready) {
			s.e.pumps.Go(s.inbound)
		}
		return trap.Fail(unix.EINPROGRESS), true
	}
	return trap.Verdict{}, false
}

// outcomeSoonLocked waits for the events of a handshake's outcome, as long as such
// waits are worth it.
func (s *stream) outcomeSoonLocked() (ready stack.Events) {
	s.e.prompt.await(func() bool {
		ready = s.ep.Readiness(unix.POLLOUT | unix.POLLERR | unix.POLLHUP)
		return ready != 0
	})
	return ready
}

// answerSoonLocked is outcomeSoonLocked for a host outside.
func (s *stream) answerSoonLocked() (ready stack.Events) {
	s.e.nearby.await(s.writable, func() bool {
		ready = s.ep.Readiness(unix.POLLOUT | unix.POLLERR | unix.POLLHUP)
		return ready != 0
	})
	return ready
}

// connectedLocked has the connection at once. A non-blocking task is told
// EINPROGRESS all the same (inet_stream_connect), and finds it writable.
func (s *stream) connectedLocked(file int, blocking bool) trap.Verdict {
	if !s.idle {
		s.sur.Open()
	}
	if errno := s.joinLocked(file, true); errno != 0 {
		s.endLocked(errno, true)
		return trap.Fail(errno)
	}
	s.connectLocked()
	s.reported = blocking
	s.e.pumps.Go(s.inbound)
	if blocking {
		return trap.Done(0)
	}
	return trap.Fail(unix.EINPROGRESS)
}

// refusedLocked tells a blocking task the refusal. The socket is then as it was
// before, but for the endpoint: it may connect again, or listen.
func (s *stream) refusedLocked(file int) (trap.Verdict, bool) {
	refusal := s.ep.TakeError()
	if refusal == 0 {
		refusal = unix.ECONNREFUSED
	}
	if s.replaceEndpointLocked(file) != 0 {
		return trap.Verdict{}, false
	}
	s.local, s.remote = stack.Addr{}, stack.Addr{}
	return trap.Fail(refusal), true
}
