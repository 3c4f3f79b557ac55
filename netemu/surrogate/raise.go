package surrogate

import (
	"sync"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// Raise makes T show a pending error: poll(2) tells POLLERR, and the next
// native receive or send fails with ECONNRESET, once; so does
// getsockopt(SO_ERROR). What is queued on T stays.
//
// The kernel sets it when S disconnects while it has unread datagrams
// (unix_dgram_disconnected in net/unix/af_unix.c), so S gets one from a socket
// of our own, disconnects, and connects again.
func (d *Datagram[M]) Raise() unix.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	errno := unix.Errno(unix.ECONNREFUSED)
	d.control(func(fd int) { errno = d.raiseLocked(fd) })
	if errno == unix.ECONNREFUSED {
		d.dead = true
	}
	return errno
}

func (d *Datagram[M]) raiseLocked(fd int) unix.Errno {
	if d.s == nil {
		name := abstractName()
		if err := unix.Bind(fd, name); err != nil {
			return errnoOf(err)
		}
		d.s = name
	}
	if errno := d.saveLocked(fd); errno != 0 {
		return errno
	}
	if errno := disconnect(fd); errno != 0 {
		return errno
	}
	errno := sendGhost(d.s)
	if e := errnoOf(unix.Connect(fd, d.t)); e != 0 {
		// T is closed: the ghost must not pass for something that it sent.
		_, _ = quick.Recv(fd, make([]byte, 1), 0) // EAGAIN: it never came
		return e
	}
	if errno == 0 {
		errno = disconnect(fd)
	}
	if e := errnoOf(unix.Connect(fd, d.t)); e != 0 {
		return e
	}
	return errno
}

// saveLocked takes what the task has sent out of S's queue: disconnecting
// would drop it.
func (d *Datagram[M]) saveLocked(fd int) unix.Errno {
	buf := make([]byte, MaxDatagram)
	for {
		n, err := quick.Recv(fd, buf, 0)
		if err == unix.EAGAIN {
			return 0
		}
		if err != nil {
			return errnoOf(err)
		}
		d.saved = append(d.saved, append([]byte(nil), buf[:n]...))
	}
}

// disconnect dissolves the association of a datagram socket (connect(2),
// AF_UNSPEC).
func disconnect(fd int) unix.Errno {
	var unspec [16]byte
	return rawConnect(fd, unspec[:])
}

// ghostSender is the unconnected socket that Raise sends from.
var ghostSender = sync.OnceValues(func() (int, error) {
	return unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
})

func sendGhost(to unix.Sockaddr) unix.Errno {
	fd, err := ghostSender()
	if err != nil {
		return errnoOf(err)
	}
	return errnoOf(unix.Sendto(fd, []byte{0}, unix.MSG_DONTWAIT, to))
}
