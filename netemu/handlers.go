package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// bind is bind(2).
func (e *Emulator) bind(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	raw, errno := copyAddress(t, c.Pointer(1), c.Int32(2))
	switch {
	case s == nil && errno != 0:
		return trap.Run()
	case errno != 0:
		return trap.Fail(errno)
	case s == nil:
		return e.bindNative(t, c, raw)
	}
	sa, errno := bindAddress(s.id().family, raw)
	if errno != 0 {
		return trap.Fail(errno)
	}
	if v, ok := renewed(t, c, s, e.bind); ok {
		return v
	}
	errno = s.bind(sa)
	if errno == unix.EADDRINUSE {
		// The owner of the port may have closed it a moment ago.
		e.reg.sweep()
		errno = s.bind(sa)
	}
	if errno == unix.EADDRINUSE && e.yield != nil && e.yield(sa.Addr.Port()) {
		errno = s.bind(sa)
	}
	return trap.Fail(errno)
}

// connect is connect(2).
func (e *Emulator) connect(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	raw, errno := copyAddress(t, c.Pointer(1), c.Int32(2))
	switch {
	case s == nil && errno != 0:
		return trap.Run()
	case errno != 0:
		return trap.Fail(errno)
	case s == nil:
		return e.connectNative(t, c.Int32(0), raw)
	}
	if s.memo().get(portRange, 0) != 0 {
		e.reg.sweep() // it may be small, and its ports closed a moment ago
	}
	return s.connect(t, c.Int32(0), raw)
}

// listen is listen(2).
func (e *Emulator) listen(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	if s == nil {
		return e.listenNative(c)
	}
	if v, ok := renewed(t, c, s, e.listen); ok {
		return v
	}
	return trap.Fail(s.listen(t, c.Int32(0), c.Int32(1)))
}

// acceptRequest is where accept(2) wants the peer's address and which flags the
// new descriptor gets.
type acceptRequest struct {
	addr, lenAddr uint64
	flags         int32
}

// accept is accept(2) and accept4(2).
func (e *Emulator) accept(t trap.Task, c trap.Call) trap.Verdict {
	q := acceptRequest{addr: c.Pointer(1), lenAddr: c.Pointer(2)}
	if c.NR == unix.SYS_ACCEPT4 {
		q.flags = c.Int32(3)
	}
	s := e.find(t, c.Int32(0))
	if s == nil {
		return trap.Run()
	}
	if q.flags&^(unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK) != 0 {
		return trap.Fail(unix.EINVAL)
	}
	return s.accept(t, c.Int32(0), q)
}

// shutdown is shutdown(2).
func (e *Emulator) shutdown(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	if s == nil {
		return trap.Run()
	}
	how := c.Int32(1)
	if (how < unix.SHUT_RD || how > unix.SHUT_RDWR) && s.id().family != unix.AF_NETLINK {
		return trap.Fail(unix.EINVAL)
	}
	return s.shutdown(c, how)
}

// getsockname is getsockname(2).
func (e *Emulator) getsockname(t trap.Task, c trap.Call) trap.Verdict {
	return e.address(t, c, socket.name)
}

// getpeername is getpeername(2).
func (e *Emulator) getpeername(t trap.Task, c trap.Call) trap.Verdict {
	return e.address(t, c, socket.peer)
}

func (e *Emulator) address(t trap.Task, c trap.Call, of func(socket) (abi.Sockaddr, unix.Errno)) trap.Verdict {
	s := e.find(t, c.Int32(0))
	if s == nil {
		return trap.Run()
	}
	sa, errno := of(s)
	if errno != 0 {
		return trap.Fail(errno)
	}
	return trap.Fail(moveAddress(t, sa.Bytes(), c.Pointer(1), c.Pointer(2)))
}

// send is sendto(2), sendmsg(2) and sendmmsg(2).
func (e *Emulator) send(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	if s == nil {
		return e.sendNative(t, c)
	}
	if errno := checkMessageCall(c); errno != 0 {
		return trap.Fail(errno)
	}
	return s.send(t, c)
}

// receive is recvfrom(2), recvmsg(2) and recvmmsg(2).
func (e *Emulator) receive(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	if s == nil {
		e.outside.received(c)
		return trap.Run()
	}
	if errno := checkMessageCall(c); errno != 0 {
		return trap.Fail(errno)
	}
	return s.receive(t, c)
}

// msgCmsgCompat is MSG_CMSG_COMPAT (<linux/socket.h>): 32-bit programs only.
const msgCmsgCompat = 0x80000000

// checkMessageCall makes the checks of a send or receive call that come before
// the descriptor is looked up.
func checkMessageCall(c trap.Call) unix.Errno {
	var flags uint64
	switch c.NR {
	case unix.SYS_SENDMSG, unix.SYS_RECVMSG:
		flags = c.Args[2]
	case unix.SYS_SENDMMSG, unix.SYS_RECVMMSG:
		flags = c.Args[3]
	default:
		return checkRange(c.Pointer(1), min(c.Args[2], maxTransfer))
	}
	if flags&msgCmsgCompat != 0 {
		return unix.EINVAL
	}
	return 0
}
