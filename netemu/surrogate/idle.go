package surrogate

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NewIdle makes a stream surrogate whose T is a socket of its own, without S,
// as a TCP socket is before connect(2) and listen(2): it polls POLLOUT and
// POLLHUP, and reading fails (with EINVAL, for TCP's ENOTCONN), and writing
// (with ENOTCONN, for EPIPE). [Stream.Join] makes it one that is connecting.
func NewIdle(nonblock bool) (*Stream, Pair, error) {
	typ := unix.SOCK_STREAM | unix.SOCK_CLOEXEC
	if nonblock {
		typ |= unix.SOCK_NONBLOCK
	}
	t, err := unix.Socket(unix.AF_UNIX, typ, 0)
	if err != nil {
		return nil, Pair{}, fmt.Errorf("socket: %w", err)
	}
	p := Pair{S: -1, T: t}
	s := &Stream{name: abstractName()}
	s.idle.Store(true)
	var st unix.Stat_t
	if err = unix.Fstat(t, &st); err == nil {
		err = unix.Bind(t, s.name)
	}
	if err != nil {
		unix.Close(t)
		return nil, Pair{}, fmt.Errorf("surrogate: %w", err)
	}
	p.Inode = st.Ino
	return s, p, nil
}

// Join gives an idle surrogate its S, and T the look of one that NewConnecting
// has made. t is a copy of T. No other method may run meanwhile but HungUp,
// Unread and the like, which answer for an idle surrogate until Join is done.
func (s *Stream) Join(t int) error { return s.join(t, fill) }

// JoinOpen is Join with T open at once. T is writable before and after; epoll is
// given the edge between.
func (s *Stream) JoinOpen(t int) error {
	s.opened = true
	err := s.join(t, leaveGhost)
	if err != nil {
		return err
	}
	// Setting a send buffer wakes who waits to write (sk_setsockopt); reading
	// it tells twice what was set.
	size, err := unix.GetsockoptInt(t, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err == nil {
		err = unix.SetsockoptInt(t, unix.SOL_SOCKET, unix.SO_SNDBUF, size/2)
	}
	return os.NewSyscallError("surrogate", err)
}

func (s *Stream) join(t int, prepare func(t int) (int, error)) error {
	fd, err := meetings.meet(t, s.name.Name)
	if err != nil {
		return fmt.Errorf("joining a surrogate: %w", err)
	}
	// What the kernel does not grant is not missed but for speed.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, towardsTask)
	s.f = os.NewFile(uintptr(fd), "surrogate")
	if s.ghost, err = prepare(t); err == nil {
		s.rc, err = s.f.SyscallConn()
	}
	if err != nil {
		s.f.Close()
		return os.NewSyscallError("surrogate", err)
	}
	s.idle.Store(false)
	return nil
}

// abandoned says that every copy of an idle T is closed: then its name is free.
func (s *Stream) abandoned() bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	// Bind writes to its address, and several may ask at once.
	return unix.Bind(fd, &unix.SockaddrUnix{Name: s.name.Name}) == nil
}
