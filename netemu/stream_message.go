package netemu

import (
	"encoding/binary"

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
	state, pending := s.state, s.soError
	if state == over {
		s.soError = 0
	}
	s.mu.Unlock()
	switch {
	case state == over && pending != 0:
		return trap.Fail(pending)
	case state == fresh || state == listening:
		return trap.Fail(unix.EPIPE)
	}
	if flags&(unix.MSG_OOB|unix.MSG_FASTOPEN) != 0 {
		s.e.ledger.count(t, "send flag", flags)
	}
	if flags&unix.MSG_FASTOPEN != 0 {
		return trap.Fail(unix.EOPNOTSUPP)
	}
	if c.NR != unix.SYS_SENDTO {
		return sendBare(t, c)
	}
	args := c.Args
	args[3], args[4], args[5] = inline(args[3]), 0, 0
	return trap.RunThen(&args, passOn)
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

// sendBare lets the kernel run a sendmsg(2) or sendmmsg(2); names and control
// messages are hidden meanwhile: an AF_UNIX stream would refuse the first
// (EISCONN) and pass on the second. A sendmmsg ends before the first message
// that is wrong.
func sendBare(t trap.Task, c trap.Call) trap.Verdict {
	count, size := uint32(1), uint64(0)
	args := c.Args
	if c.NR == unix.SYS_SENDMMSG {
		count, size = min(uint32(c.Args[2]), maxIovec), abi.SizeofMMsghdr
		args[3] = inline(args[3])
	} else {
		args[2] = inline(args[2])
	}
	var hidden []bare
	for i := range count {
		h, errno := hide(t, c.Pointer(1)+uint64(i)*size)
		if errno != 0 {
			if i == 0 {
				return trap.Fail(errno)
			}
			args[2] = uint64(i)
			break
		}
		if h.header.NameLen != 0 || h.header.ControlLen != 0 {
			hidden = append(hidden, h)
		}
	}
	if len(hidden) == 0 && args == c.Args {
		return trap.Run()
	}
	return trap.RunThen(&args, func(t trap.Task, ret int64) trap.Verdict {
		for _, h := range hidden {
			h.restore(t)
		}
		return passOn(t, ret)
	})
}

// bare is a msghdr in the task whose name and control messages are hidden.
type bare struct {
	addr   uint64
	header abi.Msghdr
}

// hide checks the msghdr at addr as tcp_sendmsg does, and hides what it ignores.
func hide(t trap.Task, addr uint64) (bare, unix.Errno) {
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
		if errno == 0 && m.Level == unix.SOL_SOCKET {
			errno = socketControl(unix.AF_INET, m)
		}
		if errno != 0 {
			return bare{}, errno
		}
	}
	b := bare{addr, h}
	return b, b.store(t, 0, 0)
}

// restore undoes hide. The memory may be gone meanwhile: that is the task's own
// doing.
func (b bare) restore(t trap.Task) { b.store(t, b.header.NameLen, b.header.ControlLen) }

// store writes the lengths of name and control messages, if there are any.
func (b bare) store(t trap.Task, name uint32, control uint64) unix.Errno {
	if b.header.NameLen != 0 {
		if errno := writeInt32(t, b.addr+abi.OffsetMsghdrNameLen, int32(name)); errno != 0 {
			return errno
		}
	}
	if b.header.ControlLen != 0 {
		return t.WriteMemory(b.addr+abi.OffsetMsghdrControlLen, binary.NativeEndian.AppendUint64(nil, control))
	}
	return 0
}

// passOn ends a call with what the kernel returned.
func passOn(_ trap.Task, ret int64) trap.Verdict {
	if ret < 0 {
		return trap.Fail(unix.Errno(-ret))
	}
	return trap.Done(ret)
}
