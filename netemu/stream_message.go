package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// send hands the bytes to the kernel: they go to the surrogate, and an address
// with them is ignored, as tcp_sendmsg does. What the system call itself checks
// comes before the state.
func (s *stream) send(t trap.Task, c trap.Call) trap.Verdict {
	if c.NR == unix.SYS_SENDMMSG && c.Int32(2) == 0 {
		return trap.Done(0)
	}
	flags, errno := checkSend(t, c)
	if errno != 0 {
		return trap.Fail(errno)
	}
	s.mu.Lock()
	state := s.state
	shut := state == over || s.writeShut
	s.mu.Unlock()
	if errno := s.errorBefore(t, c, state == connected && !shut); errno != 0 {
		return trap.Fail(errno)
	}
	switch {
	case state == fresh || state == listening:
		return trap.Fail(unix.EPIPE)
	case state == over && s.errorPending():
		return s.shownFirst(c.Int32(0), unix.EPIPE)
	}
	if flags&(unix.MSG_OOB|unix.MSG_FASTOPEN) != 0 {
		s.e.ledger.count(t, "send flag", flags)
	}
	if flags&unix.MSG_FASTOPEN != 0 {
		return trap.Fail(unix.EOPNOTSUPP)
	}
	switch c.NR {
	case unix.SYS_SENDMSG:
		return sendOne(t, c, shut)
	case unix.SYS_SENDMMSG:
		return sendMany{c: c, shut: shut, count: min(uint32(c.Args[2]), maxIovec)}.next(t)
	}
	args := c.Args
	args[3], args[4], args[5] = inline(args[3]), 0, 0
	return trap.RunThen(&args, passOn)
}

// errorBefore takes the pending error that keeps the first message from being sent.
// Where control messages are looked at, a wrong one comes before it.
func (s *stream) errorBefore(t trap.Task, c trap.Call, looked bool) unix.Errno {
	if looked && c.NR != unix.SYS_SENDTO && s.errorPending() {
		if _, errno := copyBare(t, c.Pointer(1), false); errno != 0 {
			return errno
		}
	}
	return s.takeUnshown()
}

// inline is message flags without MSG_OOB. Netstack knows no urgent pointer, so
// urgent data goes in line, which is how receivers should want it (RFC 6093
// section 6) and how they see it behind a firewall that clears the pointer.
func inline(flags uint64) uint64 { return flags &^ unix.MSG_OOB }

// checkSend makes the checks of the system call itself and finds its flags.
func checkSend(t trap.Task, c trap.Call) (flags int32, errno unix.Errno) {
	switch c.NR {
	case unix.SYS_SENDMSG:
		return c.Int32(2), checkMsghdr(t, c.Pointer(1), true)
	case unix.SYS_SENDMMSG:
		return c.Int32(3), checkMsghdr(t, c.Pointer(1), true)
	}
	if c.Pointer(4) != 0 {
		_, errno = copyAddress(t, c.Pointer(4), c.Int32(5))
	}
	return c.Int32(3), errno
}

// shownFirst tells the pending error if the surrogate of an ended socket shows one,
// else otherwise: a native call has told it then. A native look with MSG_PEEK takes
// it off.
func (s *stream) shownFirst(fd int32, otherwise unix.Errno) trap.Verdict {
	look := &trap.Receive{FD: fd, Flags: unix.MSG_DONTWAIT | unix.MSG_PEEK}
	look.Then = func(_ trap.Task, ret int64, _ int, _ int32) trap.Verdict {
		if errno := s.takeError(ret == -int64(unix.ECONNRESET)); errno != 0 {
			return trap.Fail(errno)
		}
		return trap.Fail(otherwise)
	}
	return look.Verdict()
}

// sendOne lets the kernel run a sendmsg(2); shut as for copyBare.
func sendOne(t trap.Task, c trap.Call, shut bool) trap.Verdict {
	m, errno := copyBare(t, c.Pointer(1), shut)
	if errno != 0 {
		return trap.Fail(errno)
	}
	args := c.Args
	args[2] = inline(args[2])
	switch {
	case m.hides():
		return (&trap.Native{Args: &args, Copy: m.bytes(), CopyArg: 1}).Verdict()
	case args == c.Args:
		return trap.Run()
	}
	return trap.RunThen(&args, nil)
}

// bare is a msghdr of the task's. A stream's surrogate must not see its name and
// control messages, which tcp_sendmsg ignores: an AF_UNIX stream would refuse the
// first (EISCONN) and pass on the second. The program's own memory may be read-only,
// or in use by another thread: so the kernel is given a copy without them.
type bare struct{ header abi.Msghdr }

// copyBare checks the msghdr at addr as tcp_sendmsg does, which does not get to the
// control messages where nothing can be sent any more.
func copyBare(t trap.Task, addr uint64, shut bool) (bare, unix.Errno) {
	if errno := checkMsghdr(t, addr, true); errno != 0 {
		return bare{}, errno
	}
	h, errno := copyMsghdr(t, addr)
	if errno != 0 {
		return bare{}, errno
	}
	control := make([]byte, min(h.ControlLen, maxControl))
	if errno := t.ReadMemory(h.Control, control); len(control) > 0 && errno != 0 {
		return bare{}, errno
	}
	for m, errno := range abi.Cmsgs(control) {
		if shut {
			break
		}
		if errno == 0 && m.Level == unix.SOL_SOCKET {
			errno = socketControl(m)
		}
		if errno != 0 {
			return bare{}, errno
		}
	}
	return bare{h}, 0
}

// hides says whether there is something to hide.
func (m bare) hides() bool { return m.header.NameLen != 0 || m.header.ControlLen != 0 }

// bytes is the msghdr without name and control messages.
func (m bare) bytes() []byte {
	return abi.Msghdr{IOV: m.header.IOV, IOVLen: m.header.IOVLen, Flags: m.header.Flags}.Bytes()
}

// passOn ends a call with what the kernel returned.
func passOn(_ trap.Task, ret int64) trap.Verdict {
	if ret < 0 {
		return trap.Fail(unix.Errno(-ret))
	}
	return trap.Done(ret)
}
