package ptrace

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// epollWait is epoll_wait(2) and its kin, interrupted by a signal that the
// program ignores. Linux does not even queue such a signal for a task that is
// not traced; a traced one wakes for it, and this call alone of those that
// programs wait in is then not begun anew (fs/eventpoll.c answers EINTR
// itself). So it is done here.
//
// What was waited already is not known, so one that has a time limit gets it
// anew, once: a signal that comes when that has passed, too, ends the call.
type epollWait struct {
	at       regs // the call
	deadline time.Time
}

// signalled is called at the signal-delivery-stop of sig.
func (w *epollWait) signalled(t *task, sig unix.Signal) {
	var r regs
	if r.get(t.tid) != 0 || r.ret() != -eINTR || !epollWaits(r.nr()) || !ignores(t.tid, sig) {
		return
	}
	if limit, finite := epollLimit(t.tid, &r); finite {
		now := time.Now()
		if w.at != r {
			w.at, w.deadline = r, now.Add(limit)
		} else if now.After(w.deadline) {
			w.at = regs{}
			return
		}
	}
	// If a handler runs for another signal yet, the kernel makes it EINTR.
	r.setInterrupted(r.nr(), eRestartNoHand)
	t.e.check("set registers", t.tid, r.set(t.tid))
}

// epollLimit is the time limit of the call: milliseconds, or epoll_pwait2's
// struct timespec.
func epollLimit(tid int, r *regs) (limit time.Duration, finite bool) {
	arg := r.args()[3]
	if r.nr() != unix.SYS_EPOLL_PWAIT2 {
		return time.Duration(int32(arg)) * time.Millisecond, int32(arg) >= 0
	}
	var b [timespecLen]byte
	if arg == 0 || readMemory(tid, arg, b[:]) != 0 {
		return 0, false
	}
	seconds, nanoseconds := binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	return time.Duration(seconds)*time.Second + time.Duration(nanoseconds), true
}

// ignores tells whether sig does nothing to the task: as it was told, or by
// its default (signal(7)). SIGCONT is not among them: after a stop it does end
// the call.
func ignores(tid int, sig unix.Signal) bool {
	bit := uint64(1) << (uint(sig) - 1)
	switch {
	case signalSet(tid, "\nSigIgn:\t")&bit != 0:
		return true
	case sig == unix.SIGCHLD, sig == unix.SIGURG, sig == unix.SIGWINCH:
		return caught(tid)&bit == 0
	default:
		return false
	}
}
