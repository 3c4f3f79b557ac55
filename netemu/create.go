package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/trap"
)

// socket is socket(2).
func (e *Emulator) socket(t trap.Task, c trap.Call) trap.Verdict {
	id := identity{family: int(c.Int32(0)), typ: int(c.Int32(1)) & sockTypeMask, protocol: int(c.Int32(2))}
	flags := int(c.Int32(1)) &^ sockTypeMask
	if flags&^(unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK) != 0 {
		return trap.Fail(unix.EINVAL)
	}
	if id.family < 0 || id.family >= unix.AF_MAX {
		return trap.Fail(unix.EAFNOSUPPORT)
	}
	if id.typ < 0 || id.typ > unix.SOCK_PACKET {
		return trap.Fail(unix.EINVAL)
	}
	switch id.family {
	case unix.AF_UNIX:
		return trap.Run()
	case unix.AF_INET, unix.AF_INET6:
		return e.socketInet(t, id, flags)
	case unix.AF_NETLINK:
		return e.socketNetlink(t, id, flags)
	}
	e.ledger.count(t, "address family", id.family)
	return trap.Fail(unix.EAFNOSUPPORT)
}

// sockTypeMask is SOCK_TYPE_MASK (<linux/net.h>).
const sockTypeMask = 0xf

// maxProtocol is IPPROTO_MAX (<linux/in.h>), which inet_create checks against:
// the one after MPTCP.
const maxProtocol = 263

func (e *Emulator) socketInet(t trap.Task, id identity, flags int) trap.Verdict {
	family := stack.Inet4
	if id.family == unix.AF_INET6 {
		family = stack.Inet6
	}
	if id.protocol < 0 || id.protocol >= maxProtocol {
		return trap.Fail(unix.EINVAL)
	}
	icmp := unix.IPPROTO_ICMP
	if family == stack.Inet6 {
		icmp = unix.IPPROTO_ICMPV6
	}
	switch {
	case id.typ == unix.SOCK_STREAM && (id.protocol == 0 || id.protocol == unix.IPPROTO_TCP):
		id.protocol = unix.IPPROTO_TCP
		return e.newStream(id, family, flags)
	case id.typ == unix.SOCK_DGRAM && (id.protocol == 0 || id.protocol == unix.IPPROTO_UDP):
		id.protocol = unix.IPPROTO_UDP
		ep, errno := e.stack.NewUDP(family)
		return e.newDatagram(id, flags, newUDP(id, ep), errno)
	case id.typ == unix.SOCK_DGRAM && id.protocol == icmp:
		ep, errno := e.stack.NewRaw(family, uint8(icmp))
		return e.newDatagram(id, flags, newPing(id, ep), errno)
	case id.typ == unix.SOCK_RAW && id.protocol > 0 && id.protocol <= unix.IPPROTO_RAW:
		ep, errno := e.stack.NewRaw(family, uint8(id.protocol))
		return e.newDatagram(id, flags, newRaw(id, ep), errno)
	case id.typ == unix.SOCK_STREAM, id.typ == unix.SOCK_DGRAM, id.typ == unix.SOCK_RAW:
		e.ledger.count(t, "protocol", id.protocol)
		return trap.Fail(unix.EPROTONOSUPPORT)
	}
	return trap.Fail(unix.ESOCKTNOSUPPORT)
}

// install is the verdict that hands T of a new surrogate to the task.
func install(file int, flags int, failed func()) trap.Verdict {
	i := &trap.Install{
		File: file, At: -1, CloseOnExec: flags&unix.SOCK_CLOEXEC != 0,
		Failed: func(unix.Errno) { failed() },
	}
	return i.Verdict()
}

// socketpair is socketpair(2): AF_UNIX is native, and no inet family has it.
func (e *Emulator) socketpair(t trap.Task, c trap.Call) trap.Verdict {
	switch c.Int32(0) {
	case unix.AF_UNIX:
		return trap.Run()
	case unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK:
		return trap.Fail(unix.EOPNOTSUPP)
	}
	return trap.Fail(unix.EAFNOSUPPORT)
}
