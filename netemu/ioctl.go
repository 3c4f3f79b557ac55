package netemu

import (
	"fmt"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/ifreq"
	"netbox/netemu/rtnl"
	"netbox/trap"
)

// ioctl answers the SIOC* network requests by number, whatever socket they come
// on: glibc asks if_nametoindex(3) on an AF_UNIX one.
func (e *Emulator) ioctl(t trap.Task, c trap.Call) trap.Verdict {
	if _, errno := t.Inode(c.Int32(0)); errno != 0 {
		return trap.Run()
	}
	s := e.find(t, c.Int32(0))
	if s == nil && uint32(c.Args[1]) == unix.SIOCATMARK {
		// It is about the stream's own urgent mark.
		return trap.Run()
	}
	if s != nil {
		return e.ioctlOn(t, c, s.id().family, s.id().typ)
	}
	return e.ioctlOn(t, c, unix.AF_UNIX, 0)
}

// socketIoctls is SOCK_IOC_TYPE (<linux/sockios.h>).
const socketIoctls = 0x89

// ioctlOn answers a request on a socket of that family and type.
func (e *Emulator) ioctlOn(t trap.Task, c trap.Call, family, typ int) trap.Verdict {
	on := ifreq.Socket{Family: family, Type: typ}
	set := func() *rtnl.Host {
		if !e.mayConfigure(t.TID()) {
			return nil
		}
		return e.netlink.Host()
	}
	errno := ifreq.Handle(e.stack, set, on, uint32(c.Args[1]), c.Pointer(2), t)
	bridge := uint32(c.Args[1])&^3 == unix.SIOCBRADDBR                                      // asks for the right first (br_ioctl_stub)
	stamp := uint32(c.Args[1]) == unix.SIOCGSTAMP || uint32(c.Args[1]) == unix.SIOCGSTAMPNS // sock_ioctl's own
	wireless := c.Args[1]>>8&0xff != socketIoctls                                           // a kernel without them knows no such number
	if errno == unix.ENOTTY && !stamp && !wireless || errno == unix.EPERM && !bridge || errno == unix.EOPNOTSUPP {
		if errno := t.ReadMemory(c.Pointer(2), make([]byte, abi.SizeofIfreq)); errno != 0 {
			return trap.Fail(errno) // sock_do_ioctl copies a request of any number in
		}
	}
	if errno == unix.ENOTTY {
		e.ledger.count(t, "ioctl", fmt.Sprintf("%#x", uint32(c.Args[1])))
	}
	return trap.Fail(errno)
}
