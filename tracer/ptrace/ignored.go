package ptrace

import (
	"encoding/binary"
	"time"

	"netbox/tracer/proc"

	"golang.org/x/sys/unix"
)

// undisturbed begins a call anew that a signal interrupted which the program
// ignores. Linux does not even queue such a signal for a task that is not
// traced; a traced one wakes for it. Most calls leave it to the kernel then
// whether they end with EINTR, which knows that no handler runs; those of
// answersEINTR do not.
//
// What was waited already is not known, so a call that has a time limit gets it
// anew: a signal that comes when that has passed, too, ends the call.
type undisturbed struct {
	at       regs // the call
	deadline time.Time
}

// signalled is called at the signal-delivery-stop of sig.
func (u *undisturbed) signalled(t *task, sig unix.Signal) {
	var r regs
	if u.disturbs(t, &r) && ignores(t.tid, sig) { // the second costs more
		u.again(t, &r)
	}
}

// interrupted is called at a stop that nothing but this supervisor is the reason of.
func (u *undisturbed) interrupted(t *task) {
	var r regs
	if u.disturbs(t, &r) {
		u.again(t, &r)
	}
}

// disturbs reads the registers: the stop is in a call that has failed with EINTR for it.
func (u *undisturbed) disturbs(t *task, r *regs) bool {
	return r.get(t.tid) == 0 && r.ret() == -eINTR && answersEINTR(r.nr())
}

// again has the call made anew, whose registers are r.
func (u *undisturbed) again(t *task, r *regs) {
	if limit, finite := timeLimit(t.tid, r); finite {
		now := time.Now()
		if u.at != *r {
			u.at, u.deadline = *r, now.Add(limit)
		} else if now.After(u.deadline) {
			u.at = regs{}
			return
		}
	}
	// If a handler runs for another signal yet, the kernel makes it EINTR.
	r.setInterrupted(r.nr(), eRestartNoHand)
	t.e.check("set registers", t.tid, r.set(t.tid))
}

// timeLimit is the longest that the call may take.
func timeLimit(tid int, r *regs) (limit time.Duration, finite bool) {
	args := r.args()
	switch r.nr() {
	case unix.SYS_SEMOP:
		return 0, false
	case unix.SYS_RT_SIGTIMEDWAIT:
		return timespecAt(tid, args[2])
	case unix.SYS_EPOLL_PWAIT2, unix.SYS_SEMTIMEDOP:
		return timespecAt(tid, args[3])
	case unix.SYS_READ, unix.SYS_READV, unix.SYS_RECVFROM, unix.SYS_RECVMSG,
		unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_SENDTO, unix.SYS_SENDMSG:
		// SO_RCVTIMEO or SO_SNDTIMEO, not known here: begun anew once.
		return 0, true
	default: // epoll_wait: milliseconds
		return time.Duration(int32(args[3])) * time.Millisecond, int32(args[3]) >= 0
	}
}

// timespecAt is the struct timespec at addr; none is no limit.
func timespecAt(tid int, addr uint64) (time.Duration, bool) {
	var b [timespecLen]byte
	if addr == 0 || proc.ReadMemory(tid, addr, b[:]) != 0 {
		return 0, false
	}
	seconds, nanoseconds := binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	return time.Duration(seconds)*time.Second + time.Duration(nanoseconds), true
}

// ignores tells whether sig does nothing to the task: as it was told, or by
// its default (signal(7)). SIGCONT is not among them: after a stop it does end
// the calls.
func ignores(tid int, sig unix.Signal) bool {
	bit := uint64(1) << (uint(sig) - 1)
	switch {
	case proc.Ignored(tid)&bit != 0:
		return true
	case sig == unix.SIGCHLD, sig == unix.SIGURG, sig == unix.SIGWINCH:
		return proc.Caught(tid)&bit == 0
	default:
		return false
	}
}
