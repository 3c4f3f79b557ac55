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
	s.mu.Unlock()
	if state == fresh || state == listening {
		return trap.Fail(unix.EPIPE)
	}
	if flags&(unix.MSG_OOB|unix.MSG_FASTOPEN) != 0 {
		s.e.ledger.count(t, "send flag", flags)
	}
	if flags&unix.MSG_FASTOPEN != 0 {
		return trap.Fail(unix.EOPNOTSUPP)
	}
	switch c.NR {
	case unix.SYS_SENDMSG:
		return runNameless(t, c.Pointer(1), inline(c, 2))
	case unix.SYS_SENDMMSG:
		return trap.RunThen(inline(c, 3), nil)
	}
	args := c.Args
	args[3], args[4], args[5] = uint64(flags&^unix.MSG_OOB), 0, 0
	return trap.RunThen(&args, passOn)
}

// inline gives the arguments for a call without MSG_OOB in its flags, argument
// i; nil if it has none. Netstack knows no urgent pointer, so urgent data goes in
// line, which is how receivers should want it (RFC 6093 section 6) and how they
// see it behind a firewall that clears the pointer.
func inline(c trap.Call, i int) *[6]uint64 {
	if c.Args[i]&unix.MSG_OOB == 0 {
		return nil
	}
	args := c.Args
	args[i] &^= unix.MSG_OOB
	return &args
}

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

// runNameless lets the kernel run a sendmsg(2) with args, whose header is at addr;
// a name in it is hidden meanwhile, since an AF_UNIX stream would refuse it
// (EISCONN).
func runNameless(t trap.Task, addr uint64, args *[6]uint64) trap.Verdict {
	h, errno := copyMsghdr(t, addr)
	if errno != 0 || h.Name == 0 || h.NameLen == 0 {
		return trap.RunThen(args, nil)
	}
	if errno := writeInt32(t, addr+abi.OffsetMsghdrNameLen, 0); errno != 0 {
		return trap.Fail(errno)
	}
	return trap.RunThen(args, func(t trap.Task, ret int64) trap.Verdict {
		writeInt32(t, addr+abi.OffsetMsghdrNameLen, int32(h.NameLen))
		return passOn(t, ret)
	})
}

// passOn ends a call with what the kernel returned.
func passOn(_ trap.Task, ret int64) trap.Verdict {
	if ret < 0 {
		return trap.Fail(unix.Errno(-ret))
	}
	return trap.Done(ret)
}

// receive lets the kernel read the surrogate, which has no name to tell, like a
// connected TCP socket.
func (s *stream) receive(t trap.Task, c trap.Call) trap.Verdict {
	flags := c.Int32(2)
	var errno unix.Errno
	switch c.NR {
	case unix.SYS_RECVFROM:
		flags = c.Int32(3)
	case unix.SYS_RECVMSG:
		errno = checkMsghdr(t, c.Pointer(1), false)
	case unix.SYS_RECVMMSG:
		flags = c.Int32(3)
		if _, errno = receiveDeadline(t, c); errno == 0 {
			errno = checkMsghdr(t, c.Pointer(1), false)
		}
	}
	if errno != 0 {
		return trap.Fail(errno)
	}
	s.mu.Lock()
	state := s.state
	s.mu.Unlock()
	switch {
	case flags&unix.MSG_ERRQUEUE != 0:
		return trap.Fail(unix.EAGAIN)
	case state == listening:
		return trap.Fail(unix.ENOTCONN)
	case flags&unix.MSG_OOB != 0:
		return trap.Fail(unix.EINVAL)
	case state == fresh:
		return trap.Fail(unix.ENOTCONN)
	}
	return trap.Run()
}
