package netemu

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/surrogate"
)

// pumpBuffer is the unit in which a task's bytes are taken from its surrogate:
// one segment at the link's MTU of 65520, and more than the 32 KiB that one
// AF_UNIX skb holds.
const pumpBuffer = 64 << 10

var pumpBuffers = sync.Pool{New: func() any { b := make([]byte, pumpBuffer); return &b }}

// outbound carries the task's bytes to the endpoint and sees the surrogate
// close. It ends when the surrogate does.
func (s *stream) outbound() {
	var buf *[]byte
	buffer := func() []byte {
		buf = pumpBuffers.Get().(*[]byte)
		return (*buf)[:s.piece()]
	}
	for {
		data, err := s.sur.Next(buffer)
		if len(data) > 0 {
			s.write(data)
		}
		if buf != nil {
			pumpBuffers.Put(buf)
			buf = nil
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, io.EOF):
			if s.thrownAway() { // no FIN goes before the reset
				s.closed(true)
				return
			}
			s.writeEnded()
			if s.sur.WaitHangup() != nil {
				return
			}
			if s.listens() {
				// It was shut down, which the surrogate cannot tell from a close.
				s.closed(false)
				return
			}
		default:
			s.closed(errors.Is(err, surrogate.ErrReset))
			return
		}
	}
}

// closeLook is how often a stream whose peer does not read is looked at for a
// close(2) that throws away what is queued: soon to a person, seldom enough for
// thousands of such streams.
const closeLook = 50 * time.Millisecond

// write hands data to netstack, waiting for room.
func (s *stream) write(data []byte) {
	if short := s.shortcut(); short != nil {
		s.writeShort(short, data)
		return
	}
	data = s.writeInside(data)
	ep := s.endpoint()
	for len(data) > 0 {
		n, errno := ep.WriteStream(data)
		s.sent += int64(n)
		data = data[n:]
		switch errno {
		case 0:
		case unix.EAGAIN:
			if !s.awaitRoom() {
				return
			}
		default:
			s.failed(errno)
			return
		}
	}
}

// awaitRoom waits until netstack takes bytes again; false when the stream ends.
func (s *stream) awaitRoom() bool {
	look := time.NewTicker(closeLook)
	defer look.Stop()
	for {
		select {
		case <-s.writable:
			return true
		case <-s.done:
			return false
		case <-look.C:
			if s.thrownAway() {
				s.closed(true)
				return false
			}
		}
	}
}

// thrownAway says whether the task has closed the stream in such a way that
// nothing more is to be sent but a reset: with unread data, or with SO_LINGER
// and no time (tcp_close).
func (s *stream) thrownAway() bool {
	hup, unread := s.sur.Closed()
	on, seconds := s.endpoint().GetLinger()
	return hup && (unread || on && seconds == 0)
}

func (s *stream) listens() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == listening
}

// writeEnded passes on that the task has shut down its write half.
func (s *stream) writeEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != connected || s.writeOver {
		return
	}
	s.writeOver = true
	s.ep.Shutdown(false, true)
	if s.readOver {
		s.finishLocked()
	}
}

// inbound carries bytes from the endpoint to the task. It first waits for the
// handshake.
func (s *stream) inbound() {
	connected := s.established()
	if short := s.shortcut(); short != nil { // also of a task that has closed by now: it waits to be released
		s.readShort(short)
	}
	if !connected {
		return
	}
	ep := s.endpoint()
	w := streamWriter{sur: s.sur}
	for {
		_, errno := ep.ReadStream(&w)
		n, stop := w.take()
		s.delivered.Add(int64(n))
		switch {
		case stop == unix.EAGAIN:
			if s.sur.WaitWritable() != nil {
				return
			}
		case stop != nil:
			return
		case errno == unix.EAGAIN:
			if !s.await(s.readable) {
				return
			}
		case errno != 0:
			s.failed(errno)
			return
		case n == 0:
			if errno := ep.Failure(); errno != 0 { // outbound had the error
				s.failed(errno)
				return
			}
			s.readEnded()
			s.watchReset()
			return
		}
	}
}

// watchReset waits, after the peer's FIN, for a reset: the answer to bytes that
// the task goes on sending.
func (s *stream) watchReset() {
	for s.await(s.readable) {
		if errno := s.endpoint().TakeError(); errno != 0 {
			s.failed(errno)
			return
		}
	}
}

func (s *stream) await(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	case <-s.done:
		return false
	}
}

// readEnded passes on the peer's FIN.
func (s *stream) readEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != connected {
		return
	}
	s.readOver = true
	if s.writeOver {
		s.finishLocked()
		return
	}
	s.sur.CloseWrite()
}

// failed ends a connection that netstack reports broken.
func (s *stream) failed(errno unix.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == connected {
		s.endLocked(errno, false)
	}
}

// streamWriter is the surrogate as the io.Writer that ReadStream wants; it
// remembers why it stopped, and how much went through.
type streamWriter struct {
	sur  *surrogate.Stream
	n    int
	stop error
}

func (w *streamWriter) Write(p []byte) (int, error) {
	n, err := w.sur.Write(p)
	w.n += n
	if err == nil && n < len(p) {
		err = unix.EAGAIN
	}
	w.stop = err
	return n, err
}

// take tells what happened since the last take: bytes written, and what
// stopped the writer (EAGAIN: the task's queue is full; other: T is closed).
func (w *streamWriter) take() (n int, stop error) {
	n, stop = w.n, w.stop
	w.n, w.stop = 0, nil
	return n, stop
}
