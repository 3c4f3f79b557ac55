package ptrace

import (
	"encoding/binary"
	"fmt"

	"netbox/tracer/proc"

	"golang.org/x/sys/unix"
)

// control is a hidden socket through which descriptors get into the processes
// that hold its other end: neither pidfd_getfd(2) nor /proc/PID/fd can put a
// socket into another process. It is an AF_UNIX SOCK_SEQPACKET pair; its
// messages are eight bytes of token and one descriptor.
//
// The task's end is inherited by fork(2) and kept by execve(2), so one socket
// serves a whole tree, one install at a time. It is known by its sockfs inode:
// the program may close it (closefrom(3)) or put another file on its number.
type control struct {
	inode uint64 // of the task's end
	fd    int    // the supervisor's end
	user  *task  // whose file is queued
	queue []*task
}

// controlNumbers are the least descriptor numbers that are tried in turn for
// the task's end. High, so that numbers come out as without netbox; under
// 1024, where the usual soft RLIMIT_NOFILE, FD_SETSIZE and the first page of a
// descriptor table end; not 255 and below while that can be had, where shells
// put their own. The lower ones are for smaller limits (EINVAL).
var controlNumbers = [...]int{1008, 496, 240, 112, 48, 20, 3}

func newPair() (ours, theirs int, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("control socket: %w", err)
	}
	return p[0], p[1], nil
}

func inodeOf(fd int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("control socket: %w", err)
	}
	return st.Ino, nil
}

// controlOf is the control socket of the task's process, or nil if its number
// is closed or something else by now.
func (e *Engine) controlOf(t *task) *control {
	ino, errno := t.kept.Inode(t.proc.control)
	if errno != 0 {
		return nil
	}
	return e.controls[ino]
}

func (e *Engine) nextToken() uint64 {
	e.token++
	return e.token
}

// send queues the file for the task.
func (c *control) send(token uint64, file int) unix.Errno {
	var b [payloadLen]byte
	binary.LittleEndian.PutUint64(b[:], token)
	for {
		err := unix.Sendmsg(c.fd, b[:], unix.UnixRights(file), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			return 0
		case unix.EINTR:
		case unix.EAGAIN:
			return unix.ENOBUFS
		default:
			return proc.Errno(err)
		}
	}
}

// leave passes the socket on to the next task that waits for it.
func (c *control) leave(t *task) {
	if c.user != t {
		return
	}
	c.user = nil
	if len(c.queue) == 0 {
		return
	}
	next := c.queue[0]
	c.queue = c.queue[1:]
	next.install.queued = nil
	next.op.enter(next)
}

// sweep closes the control sockets whose processes are all gone. It runs when
// a process ends; the first one, which most processes share, is polled too.
func (e *Engine) sweep() {
	if len(e.controls) < 2 {
		return
	}
	for ino, c := range e.controls {
		p := []unix.PollFd{{Fd: int32(c.fd)}}
		if n, _ := unix.Poll(p, 0); n == 1 && p[0].Revents&unix.POLLHUP != 0 && c.user == nil && len(c.queue) == 0 {
			unix.Close(c.fd)
			delete(e.controls, ino)
		}
	}
}
