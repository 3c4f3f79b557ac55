package ptrace

import (
	"encoding/binary"
	"time"

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
		binary.LittleEndian.PutUint64(b[8:], uint64(o.w.Timeout/time.Second))
		binary.LittleEndian.PutUint64(b[16:], uint64(o.w.Timeout%time.Second))
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
		readMemory(t.tid, t.scratch.addr, b[:])
	}
	t.giveBack()
	switch {
	case interrupted(ret), ret == -eINTR:
		// socket(7): a call under SO_RCVTIMEO or SO_SNDTIMEO is not restarted.
		if o.w.Timeout >= 0 {
			t.finish(-eINTR)
		} else {
			t.interrupt()
		}
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
