package ptrace

import (
	"encoding/binary"
	"time"

	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// waitRun is the operation of trap.Wait: ppoll(2) on one descriptor. The
// scratch memory holds struct pollfd and struct timespec.
type waitRun struct{ w *trap.Wait }

const (
	pollFDLen   = 8  // struct pollfd: fd 0:4, events 4:6, revents 6:8
	timespecLen = 16 // struct timespec: seconds 0:8, nanoseconds 8:16
)

func (o *waitRun) enter(t *task) {
	addr, e := t.borrow(pollFDLen + timespecLen)
	if e != 0 {
		return // killed meanwhile
	}
	var b [pollFDLen + timespecLen]byte
	binary.LittleEndian.PutUint32(b[0:], uint32(o.w.FD))
	binary.LittleEndian.PutUint16(b[4:], uint16(o.w.Events))
	args := [6]uint64{addr, 1, 0, 0, sigsetLen, 0}
	if o.w.Timeout >= 0 {
		left := t.timed.begin(t, o.w.Timeout)
		binary.LittleEndian.PutUint64(b[8:], uint64(left/time.Second))
		binary.LittleEndian.PutUint64(b[16:], uint64(left%time.Second))
		args[2] = addr + pollFDLen
	}
	if e := t.fill(b[:]); e != 0 {
		t.finish(-int64(e))
		return
	}
	t.e.stats.Waits++
	t.unmask()
	t.invoke(unix.SYS_PPOLL, &args)
}

func (o *waitRun) leave(t *task, ret int64) {
	var b [pollFDLen]byte
	if ret > 0 {
		proc.ReadMemory(t.tid, t.scratch.addr, b[:])
	}
	t.giveBack()
	switch {
	case interrupted(ret), ret == -eINTR:
		if o.w.Timeout < 0 {
			t.interrupt(eRestartSys)
			return
		}
		t.timed.suspend(t)
		t.interrupt(eRestartNoHand)
	case ret < 0:
		t.finish(ret)
	case binary.LittleEndian.Uint16(b[6:])&unix.POLLNVAL != 0:
		// Closed before the wait began: no state to look at again.
		t.finish(-int64(unix.EBADF))
	default:
		t.begin(o.w.Again(t, ret > 0))
	}
}

func (o *waitRun) drop(*task) {}

// timedWait remembers the deadline of a wait that was interrupted, for the
// case that the kernel restarts the call: one that wakes often for signals
// that it ignores would never time out.
type timedWait struct {
	deadline  time.Time
	at        regs // the call
	suspended bool // interrupted, and no handler has run since
}

// begin is the time left, of limit for a call that is new.
func (w *timedWait) begin(t *task, limit time.Duration) time.Duration {
	now := time.Now()
	if !w.suspended || w.at != t.saved {
		w.deadline = now.Add(limit)
	}
	w.suspended = false
	return max(w.deadline.Sub(now), 0)
}

func (w *timedWait) suspend(t *task) { w.at, w.suspended = t.saved, true }

// signalled notes the delivery of a signal: where a handler runs, the call
// ends with EINTR, and the next one is new.
func (w *timedWait) signalled(t *task, sig unix.Signal) {
	if w.suspended && proc.Caught(t.tid)>>(uint(sig)-1)&1 != 0 {
		w.suspended = false
	}
}
