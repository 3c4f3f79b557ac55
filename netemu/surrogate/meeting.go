package surrogate

import (
	"sync"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// joinBacklog is how many others would have to find the listener, by its random name
// and in the time between two calls, to keep a T out.
const joinBacklog = 128

// meeting is where idle Ts get their S: a listener that they are connected to. It is
// kept, since to make one takes as many calls again as to use it, until somebody else
// has found it.
type meeting struct {
	mu   sync.Mutex // a leaf
	fd   int        // valid if name is not nil
	name *unix.SockaddrUnix
}

// meetings is the process's; its descriptor stays.
var meetings meeting

// meet connects T, whose name is from, and returns the other end.
func (m *meeting) meet(t int, from string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return -1, err
	}
	m.turnAwayLocked()
	if err := m.openLocked(); err != nil {
		return -1, err
	}
	if err := unix.Connect(t, m.name); err != nil {
		return -1, err
	}
	found := false
	for {
		fd, peer, err := unix.Accept4(m.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err != nil {
			m.closeLocked() // with T's other end
			return -1, err
		}
		if a, ok := peer.(*unix.SockaddrUnix); ok && a.Name == from {
			if found {
				m.closeLocked()
			}
			return fd, nil
		}
		unix.Close(fd)
		found = true
	}
}

// openLocked makes the listener, if there is none.
func (m *meeting) openLocked() error {
	if m.name != nil {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	name := abstractName()
	if err = unix.Bind(fd, name); err == nil {
		err = unix.Listen(fd, joinBacklog)
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	m.fd, m.name = fd, name
	return nil
}

// turnAwayLocked closes the listener if somebody has connected to it: a full backlog
// would hold T's connect(2) for as long as they like.
func (m *meeting) turnAwayLocked() {
	if quick.Poll(m.fd, unix.POLLIN) != 0 {
		m.closeLocked()
	}
}

// closeLocked gives the listener up; the next will have a name that nobody knows.
func (m *meeting) closeLocked() {
	unix.Close(m.fd)
	m.name = nil
}
