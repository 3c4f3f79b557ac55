package notify

import (
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// install gives the task a descriptor. The supervisor's copy is closed before the
// call is answered: the task's close(2) is to be the last.
func (t *task) install(v trap.Verdict) (trap.Verdict, bool) {
	in := v.Install
	switch {
	case in.Use != nil && t.e.free():
		unix.Close(in.File)
		return trap.Fail(unix.EOPNOTSUPP), true
	case in.Use != nil:
		t.handOver(v)
		return trap.Verdict{}, false
	}
	watches := proc.TakeWatches(t.th.tid, t.th.pid, in.At, in.Watched.Kept, in.Watched.Others)
	fd, errno := t.give(in.File, in.At, in.CloseOnExec)
	watches.Put() // on the old file, if it is that still
	if errno != 0 {
		if in.Failed != nil {
			in.Failed(errno)
		}
		return trap.Fail(errno), true
	}
	if in.Then == nil {
		return trap.Done(int64(fd)), true
	}
	v = in.Then(t, fd)
	if v.Kind == trap.KindFail && in.At < 0 {
		v = (&trap.Close{FD: fd, Next: v}).Verdict()
	}
	return v, true
}

// give installs file in the task, at a number if that is not negative, and closes
// it here. ESRCH: the task was killed.
func (t *task) give(file int, at int32, cloexec bool) (int32, unix.Errno) {
	a := addition{id: t.f.id, file: uint32(file)}
	if at >= 0 {
		a.flags, a.number = unix.SECCOMP_ADDFD_FLAG_SETFD, uint32(at)
	}
	if cloexec {
		a.numFlags = unix.O_CLOEXEC
	}
	t.f.given = true
	fd, errno := t.e.listener.add(&a)
	unix.Close(file)
	switch errno {
	case 0:
		t.e.stats.installs.Add(1)
	case unix.ENOENT:
		errno = unix.ESRCH
	}
	return fd, errno
}
