package notify

import (
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// install gives the task a descriptor: with the answer, if the number is that.
func (t *task) install(v trap.Verdict) (trap.Verdict, bool) {
	in := v.Install
	if in.Use != nil {
		t.handOver(v)
		return trap.Verdict{}, false
	}
	a := t.addition(in.File, in.CloseOnExec)
	if in.At >= 0 {
		a.flags, a.number = unix.SECCOMP_ADDFD_FLAG_SETFD, uint32(in.At)
	}
	if in.Then == nil {
		a.flags |= unix.SECCOMP_ADDFD_FLAG_SEND
	}
	fd, errno := t.e.listener.add(&a)
	unix.Close(in.File)
	switch {
	case errno == unix.ENOENT, errno == unix.ESRCH: // killed
		if in.Failed != nil {
			in.Failed(unix.ESRCH)
		}
		t.become(over)
		return trap.Verdict{}, false
	case errno != 0:
		if in.Failed != nil {
			in.Failed(errno)
		}
		return trap.Fail(errno), true
	}
	t.e.stats.installs.Add(1)
	if in.Then == nil {
		t.become(over)
		return trap.Verdict{}, false
	}
	return in.Then(t, fd), true
}

func (t *task) addition(file int, cloexec bool) addition {
	a := addition{id: t.f.id, file: uint32(file)}
	if cloexec {
		a.numFlags = unix.O_CLOEXEC
	}
	return a
}
