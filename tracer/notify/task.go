package notify

import (
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// task is a thread as its handler sees it, during one flight.
type task struct {
	e  *Engine
	th *thread
	f  *flight
	b  *buffers
	// rested: a nap was in vain, and what waits now is for longer.
	rested bool
	// begun: the next wait is in the middle of a call that would be done again in part.
	begun bool
	// alive is a pidfd while the task's call is followed after its answer; else -1.
	alive int
}

// buffers are what ReadPath and Path return, and a payload on its way.
type buffers struct {
	path, target [proc.PathMax]byte
	payload      [payloadRoom]byte
}

// payloadRoom holds any message, in bytes: 64 KiB is the most that IP has, and a
// packet socket's has a link-layer header, and one for virtio, besides.
const payloadRoom = 64<<10 + 64

// scratch are the task's buffers, until letGo: before anybody else has the task.
func (t *task) scratch() *buffers {
	if t.b == nil {
		t.b = t.e.buffers.Get().(*buffers)
	}
	return t.b
}

func (t *task) letGo() {
	if t.b != nil {
		t.e.buffers.Put(t.b)
		t.b = nil
	}
}

// still makes ESRCH of what was found if the thread is gone: another one may have
// its number.
func (t *task) still(errno unix.Errno) unix.Errno {
	t.e.mu.Lock()
	defer t.e.mu.Unlock()
	if !t.livesLocked() {
		return unix.ESRCH
	}
	return errno
}

func (t *task) TID() int     { return t.th.tid }
func (t *task) Name() string { return proc.Name(t.th.tid) }

// PID is asked for, and seldom, where no loop tells of tasks.
func (t *task) PID() int {
	if t.th.pid == 0 {
		t.th.pid, _ = proc.ThreadGroup(t.th.tid)
	}
	return t.th.pid
}

func (t *task) ReadMemory(addr uint64, p []byte) unix.Errno {
	return t.still(proc.ReadMemory(t.th.tid, addr, p))
}

func (t *task) WriteMemory(addr uint64, p []byte) unix.Errno {
	if e := t.still(0); e != 0 {
		return e
	}
	return proc.WriteMemory(t.th.tid, addr, p)
}

func (t *task) ReadPath(addr uint64) ([]byte, unix.Errno) {
	p, e := proc.ReadPath(t.th.tid, addr, t.scratch().path[:])
	return p, t.still(e)
}

func (t *task) Path(fd int32) ([]byte, unix.Errno) {
	b := t.scratch()
	n, e := t.th.Path(fd, b.target[:])
	return b.target[:n], t.still(e)
}

func (t *task) Inode(fd int32) (uint64, unix.Errno) {
	ino, e := t.th.Inode(fd)
	return ino, t.still(e)
}

func (t *task) Protocol(fd int32) (string, unix.Errno) {
	name, e := t.th.Protocol(fd)
	return name, t.still(e)
}

func (t *task) StatusFlags(fd int32) (int, unix.Errno) {
	flags, e := t.th.StatusFlags(fd)
	return flags, t.still(e)
}

func (t *task) CloseOnExec(fd int32) (bool, unix.Errno) {
	is, e := proc.CloseOnExec(t.th.tid, fd)
	return is, t.still(e)
}

// lend goes on with a copy of the task's descriptor.
func (t *task) lend(l *trap.Lend) trap.Verdict {
	file, errno := t.Borrow(l.FD)
	if errno != 0 {
		return trap.Fail(errno)
	}
	defer unix.Close(file)
	return l.Then(t, file)
}

func (t *task) Borrow(fd int32) (int, unix.Errno) {
	file, e := t.th.Borrow(fd)
	if e == 0 && t.still(0) != 0 {
		unix.Close(file)
		return -1, unix.ESRCH
	}
	return file, e
}
