package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/trap"
)

// A surrogate fails a native call with ECONNRESET, whatever the error is. So the
// process that made the last trapped call on the socket is watched before the error
// is shown, and Correct gives the right errno. A process that has the socket by
// fork(2) or SCM_RIGHTS and makes native calls only gets ECONNRESET.

var _ trap.Corrector = (*Emulator)(nil)

// Attach implements trap.Corrector.
func (e *Emulator) Attach(w trap.Watcher) { e.watcher = w }

// Correct implements trap.Corrector.
func (e *Emulator) Correct(t trap.Task, c trap.Call) (unix.Errno, bool) {
	inode, errno := t.Inode(c.Int32(0))
	if errno != 0 {
		return unix.ECONNRESET, false
	}
	switch s := e.reg.get(inode).(type) {
	case *datagram:
		return s.correct(t, c)
	case *stream:
		if errno := s.takeError(true); errno != 0 && !likeReset(errno) {
			return errno, false
		}
	}
	return unix.ECONNRESET, false
}

// correct is what a native call is told that has taken the error off the surrogate. Of
// the error queue alone it knows nothing, and some sends of no error at all: those are
// made again.
func (d *datagram) correct(t trap.Task, c trap.Call) (unix.Errno, bool) {
	silent := sends(c.NR) && !d.sendsTell()
	d.mu.Lock()
	if !d.raised {
		d.mu.Unlock()
		return unix.ECONNRESET, false
	}
	// Another error may have been shown since, and is the same to Linux.
	if file, errno := t.Borrow(c.Int32(0)); errno == 0 {
		_, _ = unix.GetsockoptInt(file, unix.SOL_SOCKET, unix.SO_ERROR)
		unix.Close(file)
	}
	if silent {
		d.raised = false
	} else if errno := d.takeReceivedLocked(); errno != 0 {
		d.mu.Unlock()
		return errno, false
	}
	d.mu.Unlock()
	d.rest()
	return 0, true
}

// sends says which of the calls that are not trapped send.
func sends(nr int) bool {
	return nr == unix.SYS_WRITE || nr == unix.SYS_WRITEV || nr == unix.SYS_SENDTO
}

// watchLocked has the error shown when the process is watched that called last; at
// once if it is already, or can't be. Without a caller nobody makes native calls yet.
func (d *datagram) watchLocked() {
	if d.raising {
		return
	}
	pid := int(d.owner.Load())
	if d.e.watcher == nil || pid == 0 || d.watched == pid {
		d.showLocked()
		return
	}
	d.unwatchLocked()
	if d.e.watcher.Watch(pid, d.armed) {
		d.watched, d.raising = pid, true
	}
}

// armed shows the error that there still is.
func (d *datagram) armed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.raising = false
	if !d.isToldLocked() {
		d.showLocked()
	}
	d.loweredLocked()
}

// loweredLocked ends the watch when no error shows.
func (d *datagram) loweredLocked() {
	if !d.raised && !d.raising {
		d.unwatchLocked()
	}
}

func (d *datagram) unwatchLocked() {
	if d.watched != 0 {
		d.e.watcher.Unwatch(d.watched)
		d.watched = 0
	}
}

// likeReset says that Linux fails native calls with ECONNRESET, if at all.
// ECONNABORTED is netstack's for a reset in CLOSE-WAIT (handleReset), which to Linux
// is an EPIPE that the next send has told.
func likeReset(errno unix.Errno) bool { return errno == unix.ECONNRESET || errno == unix.ECONNABORTED }

// breakLocked has the surrogate of a connection that errno has ended show it.
func (s *stream) breakLocked(errno unix.Errno) {
	pid := int(s.owner.Load())
	if likeReset(errno) || s.e.watcher == nil || pid == 0 || !s.e.watcher.Watch(pid, s.sur.Reset) {
		s.sur.Reset()
		return
	}
	s.watched = pid
}

func (s *stream) unwatchLocked() {
	if s.watched != 0 {
		s.e.watcher.Unwatch(s.watched)
		s.watched = 0
	}
}
