package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

func (s *stream) bind(sa abi.Sockaddr) unix.Errno {
	if s.idn.family == unix.AF_INET6 && sa.Addr.Addr().IsMulticast() {
		return unix.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, errno := s.ep.Local()
	if errno := s.e.checkBind(s.idn.family, s.ep, s.state != fresh || errno == 0 && a.Port() != 0, sa); errno != 0 {
		return errno
	}
	address := stackAddr(sa)
	errno = s.ep.Bind(address)
	switch {
	case errno == 0:
		s.bound = &address
	case s.idle: // while outbound does not use it
		s.replaceEndpointLocked(-1) // netstack's keeps the address of a bind that has failed
	}
	return errno
}

// replaceEndpointLocked puts a new endpoint with the same options in the place of
// one that is of no use any more. file is T, or -1.
func (s *stream) replaceEndpointLocked(file int) unix.Errno {
	ep, errno := s.e.newEndpoint(s.idn.family)
	if errno != 0 {
		return errno
	}
	// The options go to a stream of the moment: setting them takes its lock.
	n := s.e.prepareStream(s.idn, ep, s.sur)
	keepOptions(s, n, file)
	s.unsubscribe()
	s.ep.Close()
	s.ep = ep
	s.subscribe()
	s.keepBoundLocked(ep)
	return 0
}

// keepBoundLocked binds a new endpoint to the port that bind(2) has chosen
// (SOCK_BINDPORT_LOCK).
func (s *stream) keepBoundLocked(ep *stack.Endpoint) {
	if s.bound != nil {
		ep.KeepVersion(*s.bound)
	}
	if s.bound != nil && s.bound.Port() != 0 {
		ep.Bind(*s.bound)
	}
}

// bindAgainLocked gives a socket that has lost its port a new one at the address
// that bind(2) has chosen (SOCK_BINDADDR_LOCK), and says whether it did.
func (s *stream) bindAgainLocked() (bool, unix.Errno) {
	if a, errno := s.ep.Local(); s.bound == nil || errno == 0 && a.Port() != 0 {
		return false, 0
	}
	errno := s.ep.Bind(*s.bound)
	return errno == 0, errno
}
