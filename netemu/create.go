package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/trap"
)

// socket is socket(2).
func (e *Emulator) socket(t trap.Task, c trap.Call) trap.Verdict {
	id, flags, errno := parseIdentity(c)
	if errno != 0 {
		return trap.Fail(errno)
	}
	switch id.family {
	case unix.AF_UNIX:
		return trap.Run()
	case unix.AF_INET, unix.AF_INET6:
		return e.socketInet(t, id, flags)
	case unix.AF_NETLINK:
		return e.socketNetlink(t, id, flags)
	case unix.AF_PACKET:
		return e.socketPacket(t, id, flags)
	}
	e.ledger.count(t, "address family", id.family)
	return trap.Fail(unix.EAFNOSUPPORT)
}

// parseIdentity makes the checks that come before the family's (__sys_socket,
// __sock_create).
func parseIdentity(c trap.Call) (id identity, flags int, errno unix.Errno) {
	id = identity{family: int(c.Int32(0)), typ: int(c.Int32(1)) & sockTypeMask, protocol: int(c.Int32(2))}
	flags = int(c.Int32(1)) &^ sockTypeMask
	switch {
	case flags&^(unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK) != 0:
		errno = unix.EINVAL
	case id.family < 0 || id.family >= unix.AF_MAX:
		errno = unix.EAFNOSUPPORT
	case id.typ > unix.SOCK_PACKET:
		errno = unix.EINVAL
	}
	return id, flags, errno
}

// sockTypeMask is SOCK_TYPE_MASK (<linux/net.h>).
const sockTypeMask = 0xf

// maxProtocol is IPPROTO_MAX (<linux/in.h>), which inet_create checks against:
// the one after MPTCP.
const maxProtocol = 263

func (e *Emulator) socketInet(t trap.Task, id identity, flags int) trap.Verdict {
	if errno := checkInet(&id); errno != 0 {
		// Programs look for MPTCP, as Go's listeners do, and go on without it.
		if errno == unix.EPROTONOSUPPORT && id.protocol != unix.IPPROTO_MPTCP {
			e.ledger.count(t, "protocol", id.protocol)
		}
		return trap.Fail(errno)
	}
	family := stack.Inet4
	if id.family == unix.AF_INET6 {
		family = stack.Inet6
	}
	switch {
	case id.typ == unix.SOCK_STREAM:
		return e.newStream(id, flags)
	case id.protocol == unix.IPPROTO_UDP && id.typ == unix.SOCK_DGRAM:
		ep, errno := e.stack.NewUDP(family)
		return e.newDatagram(id, flags, e.newUDP(id, ep), errno)
	case id.typ == unix.SOCK_DGRAM:
		ep, errno := e.stack.NewRaw(family, uint8(id.protocol))
		return e.newDatagram(id, flags, newPing(id, ep), errno)
	}
	ep, errno := e.stack.NewRaw(family, uint8(id.protocol))
	return e.newDatagram(id, flags, e.newRaw(id, ep), errno)
}

// checkInet looks type and protocol up as inet_create does, and fills in the
// protocol that 0 stands for.
func checkInet(id *identity) unix.Errno {
	if id.protocol < 0 || id.protocol >= maxProtocol {
		return unix.EINVAL
	}
	icmp := unix.IPPROTO_ICMP
	if id.family == unix.AF_INET6 {
		icmp = unix.IPPROTO_ICMPV6
	}
	switch id.typ {
	case unix.SOCK_STREAM:
		if id.protocol == 0 || id.protocol == unix.IPPROTO_TCP {
			id.protocol = unix.IPPROTO_TCP
			return 0
		}
	case unix.SOCK_DGRAM:
		if id.protocol == 0 || id.protocol == unix.IPPROTO_UDP {
			id.protocol = unix.IPPROTO_UDP
			return 0
		}
		if id.protocol == icmp {
			return 0
		}
	case unix.SOCK_RAW:
		if id.protocol > 0 && id.protocol <= unix.IPPROTO_RAW {
			return 0
		}
	default:
		return unix.ESOCKTNOSUPPORT
	}
	return unix.EPROTONOSUPPORT
}

// install is the verdict that hands T of a new surrogate to the task.
func install(file int, flags int, failed func()) trap.Verdict {
	i := &trap.Install{
		File: file, At: -1, CloseOnExec: flags&unix.SOCK_CLOEXEC != 0,
		Failed: func(unix.Errno) { failed() },
	}
	return i.Verdict()
}

// socketpair is socketpair(2): AF_UNIX is native, and no inet family has it,
// which the kernel finds out after it has made the sockets.
func (e *Emulator) socketpair(_ trap.Task, c trap.Call) trap.Verdict {
	id, _, errno := parseIdentity(c)
	switch {
	case errno != 0:
	case id.family == unix.AF_UNIX:
		return trap.Run()
	case id.family == unix.AF_NETLINK, id.family == unix.AF_PACKET:
		errno = unix.EOPNOTSUPP
	case id.family != unix.AF_INET && id.family != unix.AF_INET6:
		errno = unix.EAFNOSUPPORT
	default:
		if errno = checkInet(&id); errno == 0 {
			errno = unix.EOPNOTSUPP
		}
	}
	return trap.Fail(errno)
}
