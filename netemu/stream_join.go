package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/trap"
)

// borrowLocked gets what joinLocked needs, to give back: a copy of an idle
// surrogate's T, or -1 if the surrogate has its S.
func (s *stream) borrowLocked(t trap.Task, fd int32) (int, unix.Errno) {
	if !s.idle {
		return -1, 0
	}
	file, errno := t.Borrow(fd)
	if errno != 0 {
		s.e.log.Debug("a descriptor cannot be borrowed", "program", t.Name(), "errno", errno)
		return -1, surrogateErrno(errno)
	}
	var st unix.Stat_t
	err := unix.Fstat(file, &st)
	if err != nil || st.Ino != s.idn.inode {
		unix.Close(file) // another thread has exchanged it
		return -1, unix.EBADF
	}
	return file, 0
}

// giveBack closes what borrowLocked gave.
func giveBack(file int) {
	if file >= 0 {
		unix.Close(file)
	}
}

// joinLocked gives an idle surrogate its S, before the socket leaves the state
// fresh; open says that it is connected already. file is what borrowLocked gave.
func (s *stream) joinLocked(file int, open bool) unix.Errno {
	if !s.idle {
		return 0
	}
	join := s.sur.Join
	if open {
		join = s.sur.JoinOpen
	}
	err := join(file)
	if err != nil {
		return surrogateErrno(err)
	}
	s.idle = false
	s.e.pumps.Go(s.outbound)
	return 0
}
