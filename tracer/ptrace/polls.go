package ptrace

import (
	"encoding/binary"

	"netbox/trap"

	"golang.org/x/sys/unix"
)

// maxErrno is MAX_ERRNO (<linux/err.h>): a return value from -maxErrno to -1 is
// an error.
const maxErrno = 4095

// used has the result of the call that was run with the passing descriptor.
func (o *installRun) used(t *task, ret int64) {
	if o.after = trap.Done(ret); ret < 0 && ret >= -maxErrno {
		o.after = trap.Fail(unix.Errno(-ret))
	}
	o.stage = undo
	if o.after.Kind == trap.KindDone && o.in.TrapPolls && !t.proc.guarded {
		// From the filter's first moment on: another thread may poll, or fork a
		// child that does, before this one has come out of seccomp(2).
		o.stage, t.proc.polls = guard, true
	}
	t.chain()
}

// sizeofSockFprog is sizeof(struct sock_fprog): length 0:2, address 8:16.
const sizeofSockFprog = 16

// guard has the task load the filter that traps poll(2), for all threads of its
// process unless those cannot have it in common.
func (o *installRun) guard(t *task) {
	var prog []byte
	for _, f := range t.e.polls {
		prog = binary.LittleEndian.AppendUint16(prog, f.Code)
		prog = append(prog, f.Jt, f.Jf)
		prog = binary.LittleEndian.AppendUint32(prog, f.K)
	}
	addr, e := t.borrow(sizeofSockFprog + len(prog))
	if e != 0 {
		return // killed meanwhile
	}
	var head [sizeofSockFprog]byte
	binary.LittleEndian.PutUint16(head[:], uint16(len(t.e.polls)))
	binary.LittleEndian.PutUint64(head[8:], addr+sizeofSockFprog)
	if e := t.fill(append(head[:], prog...)); e != 0 {
		t.giveBack()
		o.stage = undo
		o.enter(t)
		return
	}
	flags := uint64(unix.SECCOMP_FILTER_FLAG_TSYNC)
	if o.alone {
		flags = 0
	}
	t.invoke(unix.SYS_SECCOMP, &[6]uint64{unix.SECCOMP_SET_MODE_FILTER, flags, addr})
}

// guarded goes on without the filter if the program's own forbids it: poll(2)
// then tells of packets that were taken.
func (o *installRun) guarded(t *task, ret int64) {
	t.giveBack()
	switch {
	case ret == 0:
		t.proc.guarded = true
	case !o.alone:
		o.alone = true
		t.chain()
		return
	default:
		t.e.log.Debug("poll(2) cannot be trapped", "pid", t.proc.pid, "errno", unix.Errno(-ret))
	}
	o.stage = undo
	t.chain()
}
