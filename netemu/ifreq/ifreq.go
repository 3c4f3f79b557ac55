// Package ifreq answers the SIOC* ioctls by which programs ask for the host's
// interfaces and set them, see netdevice(7) and rtnetlink(7). What is asked is
// a pure function of the request, the interfaces and the program's memory; what
// is set goes to package rtnl, as netlink's requests do.
//
// [Handle] looks the request up in the table (table.go). As in Linux, which
// requests there are depends on the family of the socket that they come on:
// sock_ioctl of net/socket.c asks the protocol first (inet_ioctl, inet6_ioctl)
// and then the devices (dev_ioctl).
package ifreq

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// Source tells the host's interfaces.
type Source interface {
	Interfaces() []stack.Interface
}

// Memory is the program's memory: all of p is transferred, or EFAULT.
type Memory interface {
	ReadMemory(addr uint64, p []byte) unix.Errno
	WriteMemory(addr uint64, p []byte) unix.Errno
}

// Socket is what a request comes on: AF_* and SOCK_*.
type Socket struct{ Family, Type int }

// kind is the set of sockets that knows a row of the table.
type kind uint8

const (
	inetStream kind = 1 << iota
	inetOther
	inet6Stream
	inet6Other
	unixSocket
	otherFamily

	inet    = inetStream | inetOther
	inet6   = inet6Stream | inet6Other
	stream  = inetStream | inet6Stream
	anyKind = inet | inet6 | unixSocket | otherFamily
)

func (s Socket) kind() kind {
	isStream := s.Type == unix.SOCK_STREAM
	switch {
	case s.Family == unix.AF_INET && isStream:
		return inetStream
	case s.Family == unix.AF_INET, s.Family == unix.AF_PACKET: // packet_ioctl asks inet_dgram_ops
		return inetOther
	case s.Family == unix.AF_INET6 && isStream:
		return inet6Stream
	case s.Family == unix.AF_INET6:
		return inet6Other
	case s.Family == unix.AF_UNIX:
		return unixSocket
	}
	return otherFamily
}

// Handle answers ioctl(s, request, arg). Set tells what a request changes, nil
// if the caller may not: EPERM. ENOTTY: Linux does not know the
// request on such a socket, or netbox does not at all. Other errors are those
// of netdevice(7). An AF_UNIX stream knows its urgent mark itself: SIOCATMARK on
// one is for the kernel.
func Handle(source Source, set func() *rtnl.Host, s Socket, request uint32, arg uint64, mem Memory) unix.Errno {
	if request >= unix.SIOCDEVPRIVATE && request <= lastPrivate {
		return (&call{source: source, set: set, arg: arg, mem: mem}).device(func(*call) unix.Errno { return unix.EOPNOTSUPP })
	}
	for _, row := range table[request] {
		if row.on&s.kind() != 0 {
			return row.handle(&call{source: source, set: set, arg: arg, mem: mem})
		}
	}
	return unix.ENOTTY
}

// lastPrivate is the last of the 16 requests that drivers may define
// (<linux/sockios.h>).
const lastPrivate = unix.SIOCDEVPRIVATE + 15

// call is one request on its way through a handler.
type call struct {
	source Source
	set    func() *rtnl.Host
	arg    uint64
	mem    Memory

	req  abi.Ifreq
	link stack.Interface
}

// writeInt stores an int as the answer.
func (c *call) writeInt(v int32) unix.Errno { return c.mem.WriteMemory(c.arg, abi.IntBytes(v)) }

// edit copies the struct ifreq in, lets change work on it, and copies it out if
// that succeeds.
func (c *call) edit(change func(*call) unix.Errno) unix.Errno {
	if errno := c.mem.ReadMemory(c.arg, c.req[:]); errno != 0 {
		return errno
	}
	c.req[unix.IFNAMSIZ-1] = 0
	if errno := change(c); errno != 0 {
		return errno
	}
	return c.mem.WriteMemory(c.arg, c.req[:])
}

// device is edit for the interface that ifr_name names; ENODEV if there is
// none.
func (c *call) device(change func(*call) unix.Errno) unix.Errno {
	return c.edit(func(c *call) unix.Errno { return c.named(change) })
}

// named finds the interface that ifr_name names.
func (c *call) named(do func(*call) unix.Errno) unix.Errno {
	name, _ := splitAlias(c.req.Name())
	for _, link := range c.source.Interfaces() {
		if link.Name == name {
			c.link = link
			return do(c)
		}
	}
	return unix.ENODEV
}
