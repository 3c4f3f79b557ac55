package ptrace

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"netbox/trap"

	"golang.org/x/sys/unix"
)

// remaking gives a process a new control socket: the task is made to run
// socket, connect to the supervisor's listener, fcntl(F_DUPFD) and close.
type remaking struct {
	low  int32 // as socket(2) gave it, -1: none
	high int   // index in controlNumbers
	made *control
}

func (m *remaking) enter(t *task, o *installRun) {
	switch o.stage {
	case open:
		m.low, m.high, m.made = -1, 0, nil
		t.invoke(unix.SYS_SOCKET, &[6]uint64{unix.AF_UNIX, unix.SOCK_SEQPACKET | unix.SOCK_CLOEXEC})
	case reach:
		m.connect(t, o)
	case raise:
		t.invoke(unix.SYS_FCNTL, &[6]uint64{uint64(m.low), unix.F_DUPFD, uint64(controlNumbers[m.high])})
	case tidy:
		t.invoke(unix.SYS_CLOSE, &[6]uint64{uint64(m.low)})
	}
}

// connect has the task connect, without waiting: the listener's queue is
// emptied after each connect, so it is full only when others flood it.
func (m *remaking) connect(t *task, o *installRun) {
	addr, e := t.borrow(len(t.e.listener.address))
	if e == unix.ESRCH {
		return
	}
	if e = t.fill(t.e.listener.address); e != 0 {
		m.fail(t, o, e)
		return
	}
	t.invoke(unix.SYS_CONNECT, &[6]uint64{uint64(m.low), addr, uint64(len(t.e.listener.address))})
}

func (m *remaking) leave(t *task, o *installRun, ret int64) {
	next := o.stage
	switch o.stage {
	case open:
		if ret < 0 {
			o.fail(t, unix.Errno(-ret))
			return
		}
		m.low, next = int32(ret), reach
	case reach:
		t.giveBack()
		if ret < 0 && !interrupted(ret) {
			m.fail(t, o, unix.ENOBUFS)
			return
		}
		if ret == 0 {
			if m.made = t.e.accepted(t, m.low); m.made == nil {
				m.fail(t, o, unix.ENOBUFS)
				return
			}
			next = raise
		}
	case raise:
		if ret >= 0 {
			m.raised(t, int32(ret))
			next = tidy
		} else if m.high++; m.high == len(controlNumbers) {
			m.fail(t, o, unix.EMFILE)
			return
		}
	case tidy:
		o.tries++
		next = take
	}
	o.stage = next
	t.chain()
}

// raised has the socket at its high number.
func (m *remaking) raised(t *task, fd int32) {
	t.proc.control = fd
	t.e.controls[m.made.inode] = m.made
	m.made = nil
	t.e.stats.Remade++
}

// fail closes the socket in the task and ends the call.
func (m *remaking) fail(t *task, o *installRun, e unix.Errno) {
	t.e.log.Warn("no way to hand a descriptor to the program", "pid", t.proc.pid, "stage", o.stage, "errno", e)
	m.drop()
	o.letGo(t)
	if o.in != nil && o.in.Failed != nil {
		o.in.Failed(e)
		o.in.Failed = nil
	}
	o.fd, o.stage, o.after = m.low, undo, trap.Fail(e)
	t.proceed()
}

func (m *remaking) drop() {
	if m.made != nil {
		unix.Close(m.made.fd)
		m.made = nil
	}
}

// listener takes the connections of new control sockets, on a random abstract
// address: nobody else has reason to come, and who does is turned away.
type listener struct {
	fd      int
	address []byte // struct sockaddr_un
}

func newListener() (*listener, error) {
	var name [16]byte
	rand.Read(name[:])
	path := "@netbox-" + hex.EncodeToString(name[:])
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("control listener: %w", err)
	}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err == nil {
		err = unix.Listen(fd, listenBacklog)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("control listener: %w", err)
	}
	address := append([]byte{unix.AF_UNIX, 0, 0}, path[1:]...)
	return &listener{fd, address}, nil
}

// listenBacklog bounds the connections between two accepts. The engine
// accepts after each connect; more than one is a stranger's.
const listenBacklog = 64

// accepted finds the connection that descriptor low of the task made. Those
// of strangers are closed.
func (e *Engine) accepted(t *task, low int32) *control {
	var made *control
	for {
		fd, _, err := unix.Accept4(e.listener.fd, unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return made
		}
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		ino, errno := t.kept.Inode(low)
		if made != nil || err != nil || int(cred.Pid) != t.proc.pid || errno != 0 {
			unix.Close(fd)
			continue
		}
		made = &control{inode: ino, fd: fd}
	}
}
