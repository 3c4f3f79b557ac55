package surrogate

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// look is RawConn.Read: it calls f now, and after each edge on S, until f is
// satisfied. lookAgain makes a look under way call f once more.
func (s *Stream) look(f func(fd uintptr) bool) error {
	for {
		err := s.rc.Read(f)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		_ = s.f.SetReadDeadline(time.Time{}) // fails only once S is closed
	}
}

// lookAgain is for what an edge was lost on: bytes that T sent before Open, as a
// task does whose connect(2) a signal restarted.
func (s *Stream) lookAgain() {
	_ = s.f.SetReadDeadline(time.Unix(1, 0)) // fails only once S is closed
}

// WaitWritable waits until T's queue has room or T is closed.
func (s *Stream) WaitWritable() error {
	for {
		err := s.rc.Write(writable)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		_ = s.f.SetWriteDeadline(time.Time{}) // fails only once S is closed
	}
}

// WaitWritableFor is WaitWritable for so long at most; then it is
// os.ErrDeadlineExceeded.
func (s *Stream) WaitWritableFor(limit time.Duration) error {
	_ = s.f.SetWriteDeadline(time.Now().Add(limit)) // fails only once S is closed
	return s.rc.Write(writable)
}

func writable(fd uintptr) bool { return quick.Poll(int(fd), unix.POLLOUT) != 0 }

// WaitHangup waits until every copy of T is closed: for after Next has ended
// with io.EOF. os.ErrClosed: the Stream was closed first.
func (s *Stream) WaitHangup() error {
	err := s.look(func(fd uintptr) bool { return quick.Poll(int(fd), 0)&unix.POLLHUP != 0 })
	if err != nil {
		return os.ErrClosed
	}
	return nil
}

// Closed says that every copy of T is closed, and whether T had unread data then.
func (s *Stream) Closed() (hup, unread bool) {
	s.control(func(fd int) {
		revents := quick.Poll(fd, 0)
		hup, unread = revents&unix.POLLHUP != 0, revents&unix.POLLERR != 0
	})
	return hup, unread
}

// SetRoom bounds what waits for T to read, in bytes of memory as SO_RCVBUF counts it.
func (s *Stream) SetRoom(n int) {
	s.control(func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, min(n, towardsTask))
	})
}
