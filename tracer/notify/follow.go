package notify

import (
	"slices"

	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// followed is a bind(2) that the kernel runs: an AF_UNIX name is the task's own, with
// its working directory and its rights. The emulation is to hear of it when it has
// been done, and before anything that may depend on it: so it is looked at before
// each call that follows.
type followed struct {
	t    *task
	file int // a copy of the socket
	then func(t trap.Task, ret int64) trap.Verdict
}

// maxFollowed bounds the calls that are followed at a time. A program that has bound
// as many names by threads at one moment loses the first: it can't be connected to.
const maxFollowed = 64

// follow lets the kernel run a bind(2), and calls then if it binds.
func (t *task) follow(then func(t trap.Task, ret int64) trap.Verdict) (trap.Verdict, bool) {
	file, errno := t.Borrow(t.f.call.Int32(0))
	if errno != 0 {
		return trap.Fail(errno), true
	}
	alive, err := proc.Handle(t.th.tid, t.th.pid)
	if err != nil || named(file) { // a name that it has already would be taken for the new one
		unix.Close(file)
		if err == nil {
			unix.Close(alive)
		}
		t.pass()
		return trap.Verdict{}, false
	}
	f := &followed{t: &task{e: t.e, th: t.th, f: t.f, alive: alive}, file: file, then: then}
	t.e.mu.Lock()
	var oldest *followed
	if len(t.e.followed) == maxFollowed {
		oldest, t.e.followed = t.e.followed[0], t.e.followed[1:]
	}
	t.e.followed = append(t.e.followed, f)
	t.e.mu.Unlock()
	if oldest != nil {
		oldest.close()
	}
	t.pass()
	return trap.Verdict{}, false
}

// settleFollowed looks at the calls that are followed. Thread tid makes another one.
func (e *Engine) settleFollowed(tid int) {
	var done []*followed
	e.mu.Lock()
	e.followed = slices.DeleteFunc(e.followed, func(f *followed) bool {
		over := named(f.file) || f.t.th.tid == tid
		if over {
			done = append(done, f)
		}
		return over
	})
	e.mu.Unlock()
	for _, f := range done {
		if named(f.file) {
			f.then(f.t, 0)
		}
		f.close()
	}
}

// forget lets go of what is followed still.
func (e *Engine) forget() {
	for _, f := range e.followed {
		f.close()
	}
	e.followed = nil
}

func (f *followed) close() {
	f.t.letGo()
	unix.Close(f.t.alive)
	unix.Close(f.file)
}

// named says whether a socket has a name. One of another family has.
func named(file int) bool {
	sa, err := unix.Getsockname(file)
	name, ok := sa.(*unix.SockaddrUnix)
	return err == nil && !(ok && (name.Name == "" || name.Name == "@")) // x/sys writes @ for a first NUL
}
