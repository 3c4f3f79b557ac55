package netemu

import "golang.org/x/sys/unix"

// errorPending says that there is an error, which the surrogate shows or has told.
func (s *stream) errorPending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.soError != 0 || s.kept != 0
}

// takeError is SO_ERROR; shown says that the surrogate still had an error to
// tell, and no native call has told it.
func (s *stream) takeError(shown bool) unix.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	errno, kept := s.soError, s.kept
	s.soError, s.kept = 0, 0
	s.unwatchLocked()
	if errno == 0 || !shown && s.state == over {
		return kept
	}
	return errno
}

// takeUnshown takes a pending error that the surrogate does not show.
func (s *stream) takeUnshown() unix.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	errno := s.kept
	s.kept = 0
	if errno == 0 && s.state != over {
		errno = s.soError
		s.soError = 0
	}
	return errno
}
