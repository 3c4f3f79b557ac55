package netemu

import (
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// The fast path within the sandbox. Both ends of a connection are streams of ours,
// and a piece that the task has sent may be put into the other task's surrogate at
// once, if all that was sent before has arrived there. What does not fit there, or
// nobody reads any more, goes by netstack, whose buffers, windows and resets it then
// meets. So the way may change from piece to piece, and with it whether packets are
// to be seen.

// readerPatience is how long a piece waits for a task that reads, in which case it is
// some microseconds, before it and what follows goes by netstack.
const readerPatience = 5 * time.Millisecond

// writeInside hands data to the other end of the connection and returns what has to
// go by netstack.
func (s *stream) writeInside(data []byte) (rest []byte) {
	other := s.inside()
	if other == nil || other.delivered.Load() != s.sent {
		return data
	}
	for len(data) > 0 {
		n, err := other.sur.Write(data)
		s.e.stack.CountPast(stack.Loopback, n, n)
		data = data[n:]
		if len(data) > 0 && (err != nil && err != unix.EAGAIN || other.sur.WaitWritableFor(readerPatience) != nil) {
			break
		}
	}
	return data
}

// inside is the other end, if the fast path may be taken to it.
func (s *stream) inside() *stream {
	if !s.e.short.Open() {
		return nil
	}
	if s.other == nil {
		s.mu.Lock()
		key, open := s.endsLocked(), s.state == connected
		s.mu.Unlock()
		if end, ok := s.e.reg.connections.get(key.swapped()); ok && open && !end.reset {
			s.other = end.s
		}
	}
	return s.other
}
