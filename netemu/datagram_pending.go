package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/trap"
)

// takeError takes the pending error; cleared says that the caller has taken it
// off the surrogate. POLLERR stays while the error queue has something.
func (d *datagram) takeError(cleared bool) unix.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	errno := d.soError
	d.soError = 0
	if cleared {
		d.raised = false
	}
	d.raiseSoonLocked()
	d.loweredLocked()
	return errno
}

// takeReceived is takeError for a receive that has taken the error off the
// surrogate: of the error queue alone it knows nothing, and shows it when it ends
// or waits.
func (d *datagram) takeReceived() unix.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.takeReceivedLocked()
}

func (d *datagram) takeReceivedLocked() unix.Errno {
	errno := d.soError
	d.soError, d.raised = 0, false
	if errno != 0 {
		d.raiseSoonLocked()
	}
	d.loweredLocked()
	return errno
}

// sendsTell says whether a send tells a pending error.
func (d *datagram) sendsTell() bool {
	ep := d.tr.endpoint()
	return ep == nil || ep.SendsTell()
}

func (d *datagram) isPending() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.soError != 0
}

// pendingError takes the pending error, in a call of withError's.
func (d *datagram) pendingError() unix.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	errno := d.soError
	d.soError = 0
	return errno
}

// takeArrived takes the error that the transport has, or inbound in its hands.
func (d *datagram) takeArrived() {
	d.pulling.Lock()
	defer d.pulling.Unlock()
	d.takePending()
}

// withError makes a call that may tell the pending error. If the surrogate shows
// one, a native look with MSG_PEEK takes it off, and tells whether a native call
// has told it already. What the call leaves is shown again.
func (d *datagram) withError(t trap.Task, fd int32, call func(trap.Task) trap.Verdict) trap.Verdict {
	d.takeArrived()
	if !d.showsError() {
		return call(t)
	}
	look := &trap.Receive{FD: fd, Flags: unix.MSG_DONTWAIT | unix.MSG_PEEK, Gate: d}
	look.Then = func(t trap.Task, n int64, _ int, _ int32) trap.Verdict {
		d.mu.Lock()
		d.raised = false
		if n != -int64(unix.ECONNRESET) {
			d.soError = 0
		}
		d.mu.Unlock()
		v := call(t)
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.soError != 0 && len(d.errors) == 0 {
			d.raiseLocked()
		}
		d.raiseSoonLocked()
		d.loweredLocked()
		return v
	}
	return look.Verdict()
}

// lower takes POLLERR off the surrogate, by a native look with MSG_PEEK, and ends
// with v. It comes back while the error queue has something.
func (d *datagram) lower(fd int32, v trap.Verdict) trap.Verdict {
	clear := &trap.Receive{FD: fd, Flags: unix.MSG_DONTWAIT | unix.MSG_PEEK, Gate: d}
	clear.Then = func(trap.Task, int64, int, int32) trap.Verdict {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.raised = false
		d.raiseSoonLocked()
		d.loweredLocked()
		return v
	}
	return clear.Verdict()
}

// unraisedError takes a pending error that the surrogate does not show.
func (d *datagram) unraisedError() unix.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.raised {
		return 0
	}
	errno := d.soError
	d.soError = 0
	return errno
}
