package netemu

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/trap"
)

// promptLimit is how long connect(2) to an address of the sandbox's own keeps
// the task, and the engine, for the handshake's outcome. On an idle machine it
// takes some 20 µs, which is less than the stops of a native wait; a listener
// whose backlog is full does not answer.
const promptLimit = 200 * time.Microsecond

// promptLocked answers a connect(2) within the sandbox, whose outcome Linux knows
// before the call returns; false if the surrogate must show it later. file is what
// borrowLocked gave.
func (s *stream) promptLocked(t trap.Task, fd int32, file int) (trap.Verdict, bool) {
	flags, errno := t.StatusFlags(fd)
	if errno != 0 || !s.idle || !s.e.local(s.target.Addr()) {
		return trap.Verdict{}, false
	}
	blocking := flags&unix.O_NONBLOCK == 0
	ready := s.outcomeSoonLocked()
	switch {
	case ready == 0:
	case ready&unix.POLLERR == 0 && sending(s.ep.TCPState()):
		return s.connectedLocked(file, blocking), true
	case blocking:
		return s.refusedLocked(file)
	case s.joinLocked(file, false) == 0:
		s.state, s.reported = connecting, false
		if s.decideLocked(ready) {
			s.sur.Open()
			s.e.wg.Add(1) // inbound
			go s.inbound()
		}
		return trap.Fail(unix.EINPROGRESS), true
	}
	return trap.Verdict{}, false
}

// outcomeSoonLocked waits for the events of a handshake's outcome, as long as such
// waits are worth it.
func (s *stream) outcomeSoonLocked() stack.Events {
	begin := time.Now()
	limit := s.e.prompt.limit(begin)
	for ; ; runtime.Gosched() {
		ready := s.ep.Readiness(unix.POLLOUT | unix.POLLERR | unix.POLLHUP)
		switch {
		case ready != 0:
			return ready
		case limit == 0:
			return 0
		case time.Since(begin) > limit:
			s.e.prompt.inVain()
			return 0
		}
	}
}

// connectedLocked has the connection at once. A non-blocking task is told
// EINPROGRESS all the same (inet_stream_connect), and finds it writable.
func (s *stream) connectedLocked(file int, blocking bool) trap.Verdict {
	if errno := s.joinLocked(file, true); errno != 0 {
		s.endLocked(errno, true)
		return trap.Fail(errno)
	}
	s.state, s.reported = connected, blocking
	s.rememberLocked()
	s.e.wg.Add(1) // inbound
	go s.inbound()
	if blocking {
		return trap.Done(0)
	}
	return trap.Fail(unix.EINPROGRESS)
}

// refusedLocked tells a blocking task the refusal. The socket is then as it was
// before, but for the endpoint: it may connect again, or listen.
func (s *stream) refusedLocked(file int) (trap.Verdict, bool) {
	ep, errno := s.e.newEndpoint(s.idn.family)
	if errno != 0 {
		return trap.Verdict{}, false
	}
	refusal := s.ep.TakeError()
	if refusal == 0 {
		refusal = unix.ECONNREFUSED
	}
	// The options go to a stream of the moment: setting them takes its lock.
	n := s.e.prepareStream(s.idn, ep, s.sur)
	keepOptions(s, n, file)
	s.unsubscribe()
	s.ep.Close()
	s.ep = ep
	s.subscribe()
	if s.bound != nil { // and so it stays (SOCK_BINDPORT_LOCK)
		ep.Bind(*s.bound)
	}
	s.local, s.remote = stack.Addr{}, stack.Addr{}
	return trap.Fail(refusal), true
}
