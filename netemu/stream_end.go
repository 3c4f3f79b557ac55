package netemu

import (
	"io"

	"golang.org/x/sys/unix"
)

// stopListeningLocked is shutdown(2) of a listener.
func (s *stream) stopListeningLocked(how int32) unix.Errno {
	if s.listener.stopped() {
		s.shutFresh = s.shutFresh || how != unix.SHUT_WR
		return unix.ENOTCONN
	}
	if how != unix.SHUT_WR {
		s.shutFresh = false // tcp_disconnect
		s.listener.stop()
		s.sur.CloseWrite()
	}
	return 0
}

// closed is close(2) of the last copy: in order, or with a reset if data was
// unread (RFC 2525 section 2.17, tcp_close). SO_LINGER is netstack's to obey.
func (s *stream) closed(unread bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hungUp = true
	s.endLocked(0, unread || s.state == connecting)
	s.e.reg.remove(s)
}

// connectLocked makes s a connected socket.
func (s *stream) connectLocked() {
	s.state = connected
	s.boundRoom()
	s.rememberLocked()
	s.e.reg.connected(s)
	s.e.reg.connections.add(s.endsLocked(), s)
	s.takeShortcutLocked()
	s.tellDecidedLocked()
}

// endLocked ends the socket: errno is what the task will learn (0: an orderly
// end), abort resets the connection. What is left is a tombstone.
func (s *stream) endLocked(errno unix.Errno, abort bool) {
	if s.state == over {
		return
	}
	s.rememberLocked()
	wasConnected := s.state == connected
	if wasConnected {
		on, seconds := s.ep.GetLinger()
		s.e.reg.connections.remove(s.endsLocked(), s, abort || on && seconds == 0)
	}
	s.state, s.soError = over, errno
	if s.listener != nil {
		s.listener.stop()
	}
	s.unsubscribe()
	if abort {
		s.ep.Abort()
	} else {
		s.ep.Close()
		s.e.linger.add(s.ep)
	}
	close(s.done)
	if s.short != nil {
		s.short.Stop()
	}
	switch {
	case errno == 0:
		s.sur.Close()
	case wasConnected:
		s.breakLocked(errno)
	default:
		s.sur.Reset()
	}
	s.leaveLocked()
	s.tellDecidedLocked()
}

// leaveLocked leaves a tombstone of a stream that is over, where there is who can
// find it; closed(), after the hang-up, leaves none.
func (s *stream) leaveLocked() {
	switch {
	case s.hungUp:
	case s.idle: // nothing announces its end
		s.e.reg.remove(s)
	default:
		s.e.reg.bury(s)
	}
}

// finishLocked ends a connection whose both ways are shut. What nobody will read is
// thrown away first: close(2) resets the connection for that, shutdown(2) does not.
func (s *stream) finishLocked() {
	_, _ = s.ep.ReadStream(io.Discard)
	s.endLocked(0, false)
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(0, true)
}

// gone looks whether the surrogate is closed and nothing is left to send: then
// the port is free at once, without waiting for outbound's turn.
func (s *stream) gone() bool {
	if s.sur.HungUp() && s.sur.Unread() == 0 {
		s.mu.Lock()
		idle := s.state == fresh || s.state == listening
		s.mu.Unlock()
		if idle {
			s.closed(false)
			return true
		}
	}
	return false
}

func (s *stream) pending() bool {
	return s.isConnected() && s.sur.HungUp()
}
