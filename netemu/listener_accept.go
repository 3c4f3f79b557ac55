package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/trap"
)

// accept receives from the surrogate. What netstack has ready is handed over
// first, so that a non-blocking accept right after the peer's connect finds it.
func (s *stream) accept(t trap.Task, fd int32, q acceptRequest) trap.Verdict {
	s.mu.Lock()
	l := s.listener
	ok := s.state == listening
	s.mu.Unlock()
	if !ok || l.stopped() {
		return trap.Fail(unix.EINVAL)
	}
	if l.handOver() == unix.ENFILE && l.empty() {
		return trap.Fail(unix.ENFILE)
	}
	r := &trap.Receive{FD: fd, Rights: true, CloseOnExec: q.flags&unix.SOCK_CLOEXEC != 0}
	r.Then = func(t trap.Task, n int64, _ int, newFD int32) trap.Verdict {
		switch {
		case n < 0:
			return trap.Fail(unix.Errno(-n))
		case n == 0:
			return trap.Fail(unix.EINVAL)
		case newFD < 0:
			l.again()
			return trap.Fail(unix.EMFILE)
		}
		return l.accepted(t, newFD, q)
	}
	return r.Verdict()
}

// accepted finishes accept(2) on the descriptor that the task has received.
func (l *listener) accepted(t trap.Task, fd int32, q acceptRequest) trap.Verdict {
	child := l.take(t, fd)
	if child == nil {
		return trap.Fail(unix.ECONNABORTED)
	}
	child.owner.Store(int32(t.PID()))
	peer := child.taken(q.flags&unix.SOCK_NONBLOCK != 0)
	if errno := writeAddress(t, peer.Bytes(), q.addr, q.lenAddr); errno != 0 {
		return trap.Fail(errno)
	}
	return trap.Done(int64(fd))
}

// take finds the handed connection that the task holds as fd.
func (l *listener) take(t trap.Task, fd int32) *stream {
	inode, errno := t.Inode(fd)
	if errno != 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range l.handed {
		if c.idn.inode == inode {
			l.handed = append(l.handed[:i:i], l.handed[i+1:]...)
			token(l.room)
			return c
		}
	}
	return nil
}

// again hands the oldest connection over once more: the task took it off the
// surrogate, but had no descriptor free for it.
func (l *listener) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.handed) == 0 {
		return
	}
	c := l.handed[0]
	l.handed = l.handed[1:]
	if err := l.s.sur.SendFile(c.file); err != nil {
		c.drop()
		return
	}
	l.handed = append(l.handed, c)
}
