package surrogate

import "golang.org/x/sys/unix"

// CloseWrite lets T read an end of file after what is queued.
func (s *Stream) CloseWrite() {
	s.control(func(fd int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.endSent = true
		unix.Shutdown(fd, unix.SHUT_WR)
	})
}

// Close ends the surrogate in order: T reads what is queued, then an end of
// file, and its writes fail with EPIPE.
func (s *Stream) Close() {
	if s.idle.Load() {
		return
	}
	s.control(func(fd int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		buf := junk.Get().(*[fillerChunk]byte)
		defer junk.Put(buf)
		for {
			if n, err := recv(fd, buf[:], 0); n <= 0 || err != nil {
				return
			}
		}
	})
	s.f.Close()
}

// Reset ends the surrogate with an error: T reads what is queued, then gets
// ECONNRESET once, then an end of file. Without a ghost it is an end of file.
// A T that is connecting hangs up first and is writable a moment later, when the
// kernel has freed the filler: reading that before would have it the other way
// round, for as long as this process may be preempted between the two.
func (s *Stream) Reset() {
	if !s.idle.Load() {
		s.f.Close()
	}
}

// HungUp says that every copy of T is closed.
func (s *Stream) HungUp() bool {
	if s.idle.Load() {
		return s.abandoned()
	}
	hup, _ := s.Closed()
	return hup
}
