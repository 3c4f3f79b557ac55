package ptrace

import (
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// installRun is the operation of trap.Install: the file travels through the
// control socket of the task's process and is taken by a recvmsg(2) that the
// task is made to run, so that the kernel gives the number.
//
//	take ──► (place ──► undo) ──► done          At >= 0: dup3, then close
//	  │      (use ──► (guard ──►) undo)         Use: the call itself, then close
//	  │  ▲
//	  │  └─── discard                           a message of a killed task's
//	  └► remake: open ──► reach ──► raise ──► tidy ──► take
//
// For trap.Lend take is a sendmsg(2), which brings a descriptor the other way (lend.go).
type installRun struct {
	in      *trap.Install // nil when only undo is left, and for trap.Close and trap.Lend
	lend    *trap.Lend    // else nil
	stage   installStage
	sent    *control // where the file is queued
	token   uint64
	fd      int32 // in the task, -1: none
	stray   int32 // a stale message's
	tries   int
	remake  remaking
	queued  *control
	after   trap.Verdict // goes on with the call after undo
	watches proc.Watches // of what is replaced
	alone   bool         // guard: for this thread only
}

type installStage uint8

const (
	take    installStage = iota // recvmsg on the control socket
	discard                     // close what a stale message brought
	place                       // dup3 to the number asked for
	use                         // the trapped call with the descriptor
	guard                       // seccomp, for TrapPolls
	undo                        // close the descriptor, then go on with after
	open                        // socket for a new control socket
	reach                       // connect it to the supervisor
	raise                       // fcntl(F_DUPFD) to a high number
	tidy                        // close the low number
)

// maxTries bounds how often an install begins anew because the program does
// away with its control socket, or reads it, at the same time.
const maxTries = 4

func (o *installRun) enter(t *task) {
	switch o.stage {
	case take:
		o.take(t)
	case discard:
		t.invoke(unix.SYS_CLOSE, &[6]uint64{uint64(o.stray)})
	case place:
		flags := uint64(0)
		if o.in.CloseOnExec {
			flags = unix.O_CLOEXEC
		}
		t.invoke(unix.SYS_DUP3, &[6]uint64{uint64(o.fd), uint64(o.in.At), flags})
	case use:
		args := o.in.Use(o.fd)
		t.invoke(t.call.NR, &args)
	case guard:
		o.guard(t)
	case undo:
		t.invoke(unix.SYS_CLOSE, &[6]uint64{uint64(o.fd)})
	default:
		o.remake.enter(t, o)
	}
}

func (o *installRun) leave(t *task, ret int64) {
	switch o.stage {
	case take:
		o.taken(t, ret)
	case discard:
		o.stage = take
		t.chain()
	case place:
		o.placed(t, ret)
	case use:
		o.used(t, ret)
	case guard:
		o.guarded(t, ret)
	case undo:
		t.begin(o.after)
	default:
		o.remake.leave(t, o, ret)
	}
}

// take sends the file, unless it is queued already, and has the task fetch it.
func (o *installRun) take(t *task) {
	c := t.e.controlOf(t)
	if c == nil {
		o.stage = open
		o.enter(t)
		return
	}
	if c.user != nil && c.user != t {
		c.queue = append(c.queue, t)
		o.queued, t.phase = c, parked
		t.e.stats.Parked++
		return
	}
	c.user = t
	if o.lend != nil {
		o.sent = c
		o.offer(t)
		return
	}
	o.fetch(t, c)
}

// fetch is take with the control socket to itself.
func (o *installRun) fetch(t *task, c *control) {
	if o.sent != c {
		if o.sent != nil {
			o.sent.leave(t)
		}
		o.sent = c
		o.token = t.e.nextToken()
		if e := c.send(o.token, o.in.File); e != 0 {
			o.fail(t, e)
			return
		}
	}
	m := message{control: true}
	addr, e := m.lay(t)
	if e == unix.ESRCH {
		return
	}
	if e != 0 {
		o.fail(t, e)
		return
	}
	flags := uint64(unix.MSG_DONTWAIT)
	if o.in.CloseOnExec {
		flags |= unix.MSG_CMSG_CLOEXEC
	}
	t.invoke(unix.SYS_RECVMSG, &[6]uint64{uint64(t.proc.control), addr, flags})
}

// taken looks at what the task fetched.
func (o *installRun) taken(t *task, ret int64) {
	if o.lend != nil {
		o.offered(t, ret)
		return
	}
	flags, fd, token := 0, int32(-1), uint64(0)
	if ret >= 0 {
		flags, fd, token = receivedPayload(t)
	}
	t.giveBack()
	switch {
	case ret == payloadLen && token == o.token && fd >= 0:
		o.arrived(t, fd)
	case ret == payloadLen && token == o.token && flags&unix.MSG_CTRUNC != 0:
		// scm_detach_fds could give no number.
		o.fail(t, unix.EMFILE)
	case o.tries >= maxTries:
		o.fail(t, unix.ENOBUFS)
	case ret == payloadLen && fd >= 0:
		t.e.stats.Stale++
		o.stray, o.stage = fd, discard
		t.chain()
	case ret == payloadLen, interrupted(ret), ret == -eINTR:
		o.tries++
		t.chain()
	default:
		// Taken by the program itself, or the socket is gone: send again.
		o.tries++
		o.sent.leave(t)
		o.sent = nil
		t.chain()
	}
}

// arrived has the descriptor in the task.
func (o *installRun) arrived(t *task, fd int32) {
	o.fd = fd
	o.letGo(t)
	t.e.stats.Installs++
	switch {
	case o.in.Use != nil:
		o.stage = use
		t.chain()
		return
	case o.in.At >= 0 && o.in.At != fd:
		o.watches = proc.TakeWatches(t.tid, t.proc.pid, o.in.At, o.in.Watched.Kept, o.in.Watched.Others)
		o.stage = place
		t.chain()
		return
	}
	o.conclude(t)
}

// placed has the copy at the number asked for, or an errno.
func (o *installRun) placed(t *task, ret int64) {
	o.watches.Put() // on the old file, if it is that still
	if ret < 0 {
		o.after = trap.Fail(unix.Errno(-ret))
		if o.in.Failed != nil {
			o.in.Failed(unix.Errno(-ret))
		}
	} else {
		o.after = o.verdict(t, o.in.At)
	}
	o.stage = undo
	t.chain()
}

// conclude ends the call; a descriptor of a call that fails is closed.
func (o *installRun) conclude(t *task) {
	v := o.verdict(t, o.fd)
	if v.Kind == trap.KindFail {
		o.stage, o.after = undo, v
		t.chain()
		return
	}
	t.begin(v)
}

func (o *installRun) verdict(t *task, fd int32) trap.Verdict {
	if o.in.Then == nil {
		return trap.Done(int64(fd))
	}
	return o.in.Then(t, fd)
}

// fail ends the call without a descriptor.
func (o *installRun) fail(t *task, e unix.Errno) {
	o.letGo(t)
	if o.in != nil && o.in.Failed != nil {
		o.in.Failed(e)
	}
	t.finish(-int64(e))
}

// letGo closes the supervisor's file and passes the control socket on.
func (o *installRun) letGo(t *task) {
	if o.in != nil && o.in.File >= 0 {
		unix.Close(o.in.File)
		o.in.File = -1
	}
	if c := o.queued; c != nil {
		o.queued = nil
		c.queue = without(c.queue, t)
	}
	if c := o.sent; c != nil {
		o.sent = nil
		c.leave(t)
	}
}

// yield lets others use the control socket while the task is stopped between
// two steps: its file is sent again later, and is stale for those.
func (o *installRun) yield(t *task) {
	if c := o.sent; c != nil {
		o.sent = nil
		c.leave(t)
	}
}

func (o *installRun) drop(t *task) {
	o.remake.drop()
	o.letGo(t)
	if o.in != nil && o.in.Failed != nil && o.fd < 0 {
		o.in.Failed(unix.ESRCH)
	}
	if next := o.after.Install; next != nil {
		(&installRun{in: next, fd: -1}).drop(t)
	}
}
