package surrogate

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// towardsTask is the send buffer that S asks for, in bytes; the kernel grants
// what net.core.wmem_max allows. With the default of 212992 a bulk download
// wakes the task for each few segments: 6.9 Gbit/s, and 7.9 with this (medians of
// five, 2 cores, idle; native 15).
const towardsTask = 1 << 20

// Stream is the supervisor's end of a stream surrogate.
//
//	[idle (Join)] → connecting → open (Open) → [write half closed (CloseWrite)] → closed (Close, Reset)
type Stream struct {
	f  *os.File
	rc syscall.RawConn

	// idle says that there is no S yet: f and rc are set by Join. name is the
	// abstract name of an idle T.
	idle atomic.Bool
	name *unix.SockaddrUnix

	mu sync.Mutex
	// ghost counts the bytes at the head of S's queue that are not the task's
	// data or were delivered already: the filler, later exactly one.
	ghost  int
	opened bool
	// charged bounds what the ghost's skb may hold, in bytes: what has come
	// since the queue was last empty, where splice(2) appends.
	charged int
	// partial says that the head of the queue was cut off by a read: what is
	// left of it may be the end of an skb of any size.
	partial bool
	// endSent says that CloseWrite was called. S then hangs up as soon as T's
	// write half is shut as well, which is no close.
	endSent bool
}

// ErrReset ends [Stream.Next] when T was closed with unread data.
var ErrReset = errors.New("surrogate closed with unread data")

// ErrHangup ends [Stream.Next] when every copy of T is closed; io.EOF when
// only T's write half was shut down.
var ErrHangup = errors.New("surrogate closed")

// NewConnecting makes a stream surrogate whose T polls not writable until Open.
func NewConnecting(nonblock bool) (*Stream, Pair, error) { return newStream(nonblock, fill) }

// NewOpen makes a stream surrogate that is open from the start, as accept(2)
// returns one. T is blocking.
func NewOpen() (*Stream, Pair, error) {
	s, p, err := newStream(false, leaveGhost)
	if err == nil {
		s.opened = true
	}
	return s, p, err
}

func newStream(nonblock bool, prepare func(t int) (int, error)) (*Stream, Pair, error) {
	p, err := newPair(unix.SOCK_STREAM, nonblock)
	if err != nil {
		return nil, Pair{}, err
	}
	// What the kernel does not grant is not missed but for speed.
	_ = unix.SetsockoptInt(p.S, unix.SOL_SOCKET, unix.SO_SNDBUF, towardsTask)
	s := &Stream{f: os.NewFile(uintptr(p.S), "surrogate")}
	if s.ghost, err = prepare(p.T); err == nil {
		s.rc, err = s.f.SyscallConn()
	}
	if err != nil {
		s.f.Close()
		unix.Close(p.T)
		return nil, Pair{}, os.NewSyscallError("surrogate", err)
	}
	return s, p, nil
}

// Next waits until the task has sent something and returns it, in what buffer gives
// (at least 2 bytes), which is asked only then: a stream that waits holds none. It
// ends with io.EOF, ErrHangup or ErrReset; all data comes before the end.
// os.ErrClosed: the Stream was closed. One caller at a time.
func (s *Stream) Next(buffer func() []byte) (data []byte, err error) {
	werr := s.look(func(fd uintptr) bool {
		var done bool
		data, done, err = s.take(int(fd), buffer)
		return done
	})
	if werr != nil {
		return nil, os.ErrClosed
	}
	return data, err
}

// take is one look at the queue. Where the count finds nothing new and the poll an end,
// it counts once more, so that nothing that was sent before a hang-up is missed.
func (s *Stream) take(fd int, buffer func() []byte) (data []byte, done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh, err := s.fresh(fd)
	var revents int16
	if err == nil && fresh == 0 {
		if revents = quick.Poll(fd, unix.POLLRDHUP); revents&(unix.POLLRDHUP|unix.POLLHUP) != 0 {
			fresh, err = s.fresh(fd)
		}
	}
	if err != nil {
		return nil, true, err
	}
	if fresh > 0 {
		data, err = s.consume(fd, buffer(), fresh)
		return data, true, err
	}
	if revents&unix.POLLHUP != 0 {
		if e, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); e != 0 {
			return nil, true, ErrReset
		}
		if !s.endSent {
			return nil, true, ErrHangup
		}
	}
	if revents&unix.POLLRDHUP != 0 {
		return nil, true, io.EOF
	}
	return nil, false, nil
}

// fresh is how many bytes are queued, the ghost among them; 0: nothing but the ghost, or
// T is not open yet.
func (s *Stream) fresh(fd int) (int, error) {
	queued, errno := quick.Queue(fd, unix.SIOCINQ)
	if errno != 0 {
		return 0, errno
	}
	if queued == 0 {
		s.charged = 0
	}
	if !s.opened || queued <= s.ghost {
		return 0, nil
	}
	return queued, nil
}

// maxGhostQueue is the most that may be queued for a ghost to be left. The
// ghost's whole skb stays charged to T, which must still poll writable: a quarter
// of its send buffer (53248 at the default net.core.wmem_default). What write(2)
// makes is at most 48 KiB with its overhead; splice(2) and sendfile(2) make more,
// or add to it (spliceAppends).
const maxGhostQueue = 48 << 10

// consume reads what fits into buf but leaves the last byte queued, having
// looked at it: the new ghost. In a stream of bulk data it leaves none; if that
// connection is reset, there is data unread anyway.
func (s *Stream) consume(fd int, buf []byte, queued int) ([]byte, error) {
	keep := 0
	if !spliceAppends() {
		s.charged = 0
	}
	s.charged += queued
	if s.charged <= maxGhostQueue && queued <= len(buf) && !s.partial {
		keep = 1
	}
	s.partial = queued > len(buf)
	n := 0
	var err error
	if k := min(queued, len(buf)) - keep; k > 0 {
		if n, err = quick.Recv(fd, buf[:k], 0); err != nil {
			return nil, err
		}
	}
	old := s.ghost
	s.ghost = keep
	if keep == 0 {
		return buf[min(old, n):n], nil
	}
	if _, err = quick.Recv(fd, buf[n:n+1], unix.MSG_PEEK); err != nil {
		return nil, err
	}
	return buf[old : n+1], nil
}

// Write hands p to the task without waiting. EAGAIN: T's queue is full, see
// WaitWritable. EPIPE: T is closed.
func (s *Stream) Write(p []byte) (n int, err error) {
	err = unix.EBADF
	s.control(func(fd int) {
		n, err = quick.Send(fd, p)
	})
	return n, err
}

// Splice hands the task up to n bytes of a pipe, without waiting or copying them.
// Errors are Write's.
func (s *Stream) Splice(pipe, n int) (moved int, err error) {
	err = unix.EBADF
	s.control(func(fd int) {
		var k int64
		for {
			k, err = unix.Splice(pipe, nil, fd, nil, n, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
			if err != unix.EINTR {
				break
			}
		}
		moved = int(max(k, 0))
	})
	return moved, err
}

// Unread is the number of bytes that T has sent and Next has not returned.
func (s *Stream) Unread() (n int) {
	s.control(func(fd int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if queued, errno := quick.Queue(fd, unix.SIOCINQ); errno == 0 {
			n = max(queued-s.ghost, 0)
		}
	})
	return n
}

// SendFile queues descriptor file on T as one byte with SCM_RIGHTS: the form in
// which a listener's T hands out connections.
func (s *Stream) SendFile(file int) (err error) {
	err = unix.EBADF
	s.control(func(fd int) {
		_, err = unix.SendmsgN(fd, []byte{0}, unix.UnixRights(file), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	return err
}

func (s *Stream) control(f func(fd int)) {
	if s.idle.Load() || s.rc == nil {
		return
	}
	_ = s.rc.Control(func(fd uintptr) { f(int(fd)) })
}
