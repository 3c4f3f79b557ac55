package ptrace

import (
	"encoding/binary"

	"netbox/trap"

	"golang.org/x/sys/unix"
)

// Where pidfd_getfd(2) is refused, as by Docker's default profile, a task gives a
// copy of its descriptor by the control socket. Other threads of the program may
// change the message meanwhile, or send some of their own: what arrives is a
// descriptor of the program's in any case.

// offer has the task send the descriptor.
func (o *installRun) offer(t *task) {
	for {
		file, _, ok := o.sent.take()
		if !ok {
			break
		}
		closeFile(file) // the program's own doing, or a killed task's
	}
	o.token = t.e.nextToken()
	m := message{control: true, gives: true, fd: o.lend.FD, token: o.token}
	addr, e := m.lay(t)
	if e == unix.ESRCH {
		return
	}
	if e != 0 {
		o.fail(t, e)
		return
	}
	t.invoke(unix.SYS_SENDMSG, &[6]uint64{uint64(t.proc.control), addr, unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL})
}

// offered looks at what the task has sent.
func (o *installRun) offered(t *task, ret int64) {
	t.giveBack()
	file, token, ok := o.sent.take()
	switch {
	case ret == payloadLen && ok && token == o.token && file >= 0:
		t.e.stats.Lent++
		l := o.lend
		o.letGo(t)
		t.begin(lent(t, l, file, 0))
		return
	case ret == -int64(unix.EBADF) && t.e.controlOf(t) != nil:
		o.fail(t, unix.EBADF)
	case o.tries >= maxTries:
		o.fail(t, unix.ENOBUFS)
	default: // interrupted, or the socket is gone
		o.tries++
		o.yield(t)
		t.chain()
	}
	if ok {
		closeFile(file)
	}
}

// lent goes on with file, and closes it.
func lent(t *task, l *trap.Lend, file int, errno unix.Errno) trap.Verdict {
	if errno != 0 {
		return trap.Fail(errno)
	}
	defer unix.Close(file)
	return l.Then(t, file)
}

// take takes a message that a task has sent, with file -1 if it has brought none.
func (c *control) take() (file int, token uint64, ok bool) {
	var b [payloadLen]byte
	var oob [cmsgFD + 4]byte // room for one descriptor
	n, oobn, _, _, err := unix.Recvmsg(c.fd, b[:], oob[:], unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return -1, 0, false
	}
	file = -1
	if list, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
		for _, m := range list {
			if rights, err := unix.ParseUnixRights(&m); err == nil && len(rights) > 0 {
				file = rights[0]
			}
		}
	}
	return file, binary.LittleEndian.Uint64(b[:]), true
}

func closeFile(file int) {
	if file >= 0 {
		unix.Close(file)
	}
}
