package netemu

import (
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"netbox/trap"
)

// A direct socket may be registered in epoll sets when it is exchanged, and the set
// knows it by its file: it has to be registered anew. Any process may have the set, under
// any number, and the kernel does not tell where it is. So, where there are direct
// sockets, the supervisor makes the box's sets itself and keeps a copy of each, which is
// the same set whatever becomes of the task's (dup, fork, exec, SCM_RIGHTS). A copy
// holds none of the files that are registered, and who closes a set sees nothing of it.
//
// That is what an exchange looks at, unless there may be others: from outside the box,
// or more than are kept. Then the calling process's descriptors are looked through, all
// of them each time.

// maxSets bounds the copies: a program has one set, or one a thread, and what an
// exchange costs grows with their number. They stay to the end of the box, since nothing
// tells that a set has no other copy left.
const maxSets = 64

// epolls are the epoll sets of the box.
type epolls struct {
	mu     sync.Mutex
	kept   []int // only grows
	others bool  // there may be more
}

// make is a new set for a task; false if the kernel is to make it, as no copy is kept.
func (s *epolls) make() (file int, kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.others || len(s.kept) >= maxSets {
		s.others = true
		return -1, false
	}
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		s.others = true
		return -1, false
	}
	file, err = unix.FcntlInt(uintptr(set), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		unix.Close(set)
		s.others = true
		return -1, false
	}
	s.kept = append(s.kept, set)
	return file, true
}

// add says that there may be sets of which no copy is kept.
func (s *epolls) add() {
	s.mu.Lock()
	s.others = true
	s.mu.Unlock()
}

func (s *epolls) now() trap.EpollSets {
	s.mu.Lock()
	defer s.mu.Unlock()
	return trap.EpollSets{Kept: s.kept[:len(s.kept):len(s.kept)], Others: s.others}
}

func (s *epolls) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, set := range s.kept {
		unix.Close(set)
	}
	s.kept, s.others = nil, true
}

// watched are the sets in which a descriptor that is exchanged may be registered.
func (e *Emulator) watched() trap.EpollSets {
	if !e.borrow {
		return trap.EpollSets{} // nothing could be made anew
	}
	sets := e.outside.epolls.now()
	if sets.Others {
		e.outside.count.scans.Add(1)
	}
	return sets
}

// epollCreate is epoll_create1(2), and epoll_create(2) where there is that. Only the
// filter for direct sockets traps them.
func (e *Emulator) epollCreate(_ trap.Task, c trap.Call) trap.Verdict {
	flags := c.Int32(0)
	if c.NR != unix.SYS_EPOLL_CREATE1 {
		if flags <= 0 { // it is a size
			return trap.Fail(unix.EINVAL)
		}
		flags = 0
	}
	switch {
	case flags&^unix.EPOLL_CLOEXEC != 0:
		return trap.Fail(unix.EINVAL)
	case !e.borrow:
		return trap.Run()
	}
	file, kept := e.outside.epolls.make()
	if !kept {
		return trap.Run()
	}
	e.outside.count.sets.Add(1)
	i := &trap.Install{File: file, At: -1, CloseOnExec: flags != 0}
	return i.Verdict()
}

// received says that a task receives a message by an AF_UNIX socket, by which a set may
// come from outside the box.
func (o *outside) received(c trap.Call) {
	if o.Outside != nil && c.NR != unix.SYS_RECVFROM {
		o.epolls.add()
	}
}

// epollAmong says whether one of these descriptors is an epoll set.
func epollAmong(files []int) bool {
	for _, file := range files {
		link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(file))
		if err == nil && link == "anon_inode:[eventpoll]" {
			return true
		}
	}
	return false
}
