package netemu

import (
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// receiveMany is recvmmsg(2): one message after the other; only the first may
// wait if MSG_WAITFORONE is given. A pending error comes before them, also if none is
// asked for, and one after the first message is kept for the next call (do_recvmmsg).
func (d *datagram) receiveMany(t trap.Task, c trap.Call) trap.Verdict {
	end, errno := receiveDeadline(t, c)
	if errno != 0 {
		return trap.Fail(errno)
	}
	if c.Int32(3)&unix.MSG_ERRQUEUE != 0 {
		return d.receiveEach(t, c, end)
	}
	d.pull()
	return d.withError(t, c.Int32(0), func(t trap.Task) trap.Verdict {
		if errno := d.pendingError(); errno != 0 {
			return trap.Fail(errno)
		}
		return d.receiveEach(t, c, end)
	})
}

// receiveEach is receiveMany when no error is pending.
func (d *datagram) receiveEach(t trap.Task, c trap.Call, end time.Time) trap.Verdict {
	count, flags := min(uint32(c.Args[2]), maxIovec), int(c.Int32(3))
	if count == 0 {
		return trap.Done(0)
	}
	var next func(t trap.Task, i uint32) trap.Verdict
	next = func(t trap.Task, i uint32) trap.Verdict {
		addr := c.Pointer(1) + uint64(i)*abi.SizeofMMsghdr
		r := recvRequest{flags: flags &^ unix.MSG_WAITFORONE}
		if i > 0 && flags&unix.MSG_WAITFORONE != 0 {
			r.flags |= unix.MSG_DONTWAIT
		}
		if i > 0 {
			r.failed = func(errno unix.Errno) trap.Verdict {
				d.keepError(errno)
				return receivedMany(t, c, end, int64(i))
			}
		}
		return d.receiveMsg(t, c.Int32(0), addr, r, func(t trap.Task, n int64) trap.Verdict {
			if errno := writeInt32(t, addr+abi.OffsetMMsghdrLen, int32(n)); errno != 0 {
				return r.fail(errno)
			}
			if i+1 == count || !end.IsZero() && time.Now().After(end) {
				return receivedMany(t, c, end, int64(i+1))
			}
			return next(t, i+1)
		})
	}
	return next(t, 0)
}

// keepError keeps the error that has ended a recvmmsg(2) after its first message for
// the next call (do_recvmmsg).
func (d *datagram) keepError(errno unix.Errno) {
	if errno != unix.EAGAIN {
		d.fail(errno)
	}
}
