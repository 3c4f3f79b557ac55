package notify

import (
	"encoding/binary"

	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// receive is recvmsg(2) on a copy of the task's descriptor, without waiting; if
// there is nothing, and the call may block, it naps first.
func (t *task) receive(r *trap.Receive) (trap.Verdict, bool) {
	// Of a stream the bytes stay that can't be stored, and MSG_WAITALL counts: the task
	// itself takes them.
	stream := r.Gate == nil && !r.Rights
	if stream && t.e.free() {
		return t.takeIn(r), true
	}
	if stream || t.rested && r.Flags&unix.MSG_DONTWAIT == 0 {
		t.handOver(r.Verdict())
		return trap.Verdict{}, false
	}
	if r.Gate != nil {
		t.letGo()
		if !t.e.gates.enter(r.Gate, func() { t.apply(r.Verdict()) }) {
			return trap.Verdict{}, false
		}
		defer t.e.gates.leave(r.Gate)
	}
	return t.receiveNow(r), true
}

// receiveNow receives, in the gate if there is one.
func (t *task) receiveNow(r *trap.Receive) trap.Verdict {
	if r.Check != nil {
		if v := r.Check(t); v != nil {
			return *v
		}
	}
	t.e.stats.receives.Add(1)
	file, errno := t.Borrow(r.FD)
	if errno != 0 {
		return r.Then(t, -int64(errno), 0, -1)
	}
	defer unix.Close(file)
	m, errno := t.target(r)
	if errno == 0 {
		m.receive(file, r)
		errno = m.errno
	}
	switch {
	case errno == unix.EAGAIN && r.Flags&unix.MSG_DONTWAIT == 0 && blocks(file):
		return t.receiveSoon(r)
	case errno != 0:
		return r.Then(t, -int64(errno), 0, -1)
	}
	if errno := m.deliver(t); errno != 0 {
		closeFile(m.right)
		return r.Then(t, -int64(errno), 0, -1)
	}
	return t.took(r, m)
}

// took ends a receive, and gives the task the descriptor that came along.
func (t *task) took(r *trap.Receive, m *message) trap.Verdict {
	if m.right < 0 {
		return r.Then(t, int64(m.n), m.flags, -1)
	}
	fd, errno := t.give(m.right, -1, r.CloseOnExec)
	if errno != 0 { // scm_detach_fds gives no reason
		return r.Then(t, int64(m.n), m.flags|unix.MSG_CTRUNC, -1)
	}
	v := r.Then(t, int64(m.n), m.flags, fd)
	if v.Kind == trap.KindFail {
		return (&trap.Close{FD: fd, Next: v}).Verdict()
	}
	return v
}

// receiveSoon is a nap until there is something. The task itself waits for longer,
// in its own recvmsg(2), which knows SO_RCVTIMEO.
func (t *task) receiveSoon(r *trap.Receive) trap.Verdict {
	if t.e.free() {
		return t.receiveLater(r)
	}
	w := &trap.Wait{FD: r.FD, Events: unix.POLLIN, Timeout: longestNap}
	w.Again = func(_ trap.Task, ready bool) trap.Verdict {
		t.rested = !ready
		return r.Verdict()
	}
	return w.Verdict()
}

func blocks(file int) bool {
	flags, err := unix.FcntlInt(uintptr(file), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK == 0
}

func closeFile(file int) {
	if file >= 0 {
		unix.Close(file)
	}
}

// message is one that was received for a task.
type message struct {
	payload []byte // room for it
	vec     []span // where it goes
	n       int    // recvmsg's return
	flags   int    // msg_flags
	right   int    // a descriptor that came along, or -1
	errno   unix.Errno
}

// span is a part of the task's memory.
type span struct{ addr, length uint64 }

// maxIovec is UIO_MAXIOV, <linux/uio.h>.
const maxIovec = 1024

// spans reads an array of struct iovec: base 0:8, length 8:16.
func (t *task) spans(addr, count uint64) ([]span, unix.Errno) {
	if count > maxIovec {
		return nil, unix.EMSGSIZE
	}
	raw := make([]byte, count*16)
	if e := t.ReadMemory(addr, raw); e != 0 {
		return nil, e
	}
	vec := make([]span, 0, count)
	for ; len(raw) > 0; raw = raw[16:] {
		vec = append(vec, span{binary.NativeEndian.Uint64(raw), binary.NativeEndian.Uint64(raw[8:])})
	}
	return vec, 0
}

// target finds where the message goes.
func (t *task) target(r *trap.Receive) (*message, unix.Errno) {
	m := &message{right: -1}
	var e unix.Errno
	switch {
	case r.IOVLen > 0:
		if m.vec, e = t.spans(r.IOV, r.IOVLen); e != 0 {
			return nil, e
		}
	case r.Buf != 0 || r.BufLen != 0:
		m.vec = []span{{r.Buf, r.BufLen}}
	}
	room := uint64(0)
	for _, v := range m.vec {
		room += min(v.length, payloadRoom)
	}
	if len(m.vec) == 0 {
		room = 8 // of no interest; the kernel wants room for a byte to take it off
	}
	m.payload = t.scratch().payload[:min(room, payloadRoom)]
	return m, 0
}

// receive takes a message off the file.
func (m *message) receive(file int, r *trap.Receive) {
	var oob []byte
	if r.Rights {
		oob = make([]byte, unix.CmsgSpace(4))
	}
	n, oobn, flags, _, err := unix.RecvmsgBuffers(file, [][]byte{m.payload}, oob, r.Flags|unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		m.errno = proc.Errno(err)
		return
	}
	m.n, m.flags = n, flags&^unix.MSG_CMSG_CLOEXEC
	if r.CloseOnExec {
		m.flags |= flags & unix.MSG_CMSG_CLOEXEC
	}
	if oobn == 0 {
		return
	}
	if list, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(list) == 1 {
		if fds, err := unix.ParseUnixRights(&list[0]); err == nil && len(fds) == 1 {
			m.right = fds[0]
		}
	}
}

// deliver writes the payload to the task's memory.
func (m *message) deliver(t *task) unix.Errno {
	p := m.payload[:min(m.n, len(m.payload))]
	for _, v := range m.vec {
		part := p[:min(uint64(len(p)), v.length)]
		if len(part) == 0 {
			continue
		}
		if e := t.WriteMemory(v.addr, part); e != 0 {
			return e
		}
		p = p[len(part):]
	}
	return 0
}
