package netemu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/trap"
)

// outgoing is what a task asks to send in one datagram: the name and the
// control messages are copies, the payload is yet to be read.
type outgoing struct {
	name    []byte // nil: none
	vec     []iovec
	control []byte
	flags   int32
}

func (o outgoing) length() (n uint64) {
	for _, v := range o.vec {
		n += v.length
	}
	return min(n, maxTransfer) // __import_iovec
}

// send is sendto(2) with an address, sendmsg(2) and sendmmsg(2).
func (d *datagram) send(t trap.Task, c trap.Call) trap.Verdict {
	d.calledBy(t)
	if !d.sendsTell() {
		return d.sendCall(t, c)
	}
	return d.withError(t, c.Int32(0), func(t trap.Task) trap.Verdict { return d.sendCall(t, c) })
}

func (d *datagram) sendCall(t trap.Task, c trap.Call) trap.Verdict {
	switch c.NR {
	case unix.SYS_SENDMSG:
		return doneOr(d.sendMsg(t, c.Pointer(1), c.Int32(2)))
	case unix.SYS_SENDMMSG:
		return d.sendMany(t, c)
	}
	o := outgoing{vec: []iovec{{c.Pointer(1), min(c.Args[2], maxTransfer)}}, flags: c.Int32(3)}
	if c.Pointer(4) != 0 {
		var errno unix.Errno
		if o.name, errno = copyAddress(t, c.Pointer(4), c.Int32(5)); errno != 0 {
			return trap.Fail(errno)
		}
	}
	return doneOr(d.sendOut(t, o))
}

func doneOr(n int, errno unix.Errno) trap.Verdict {
	if errno != 0 {
		return trap.Fail(errno)
	}
	return trap.Done(int64(n))
}

// sendOut sends one datagram and returns its length. The checks come in the
// order of udp_sendmsg and its kin: what fails for several reasons has Linux's
// errno.
func (d *datagram) sendOut(t trap.Task, o outgoing) (int, unix.Errno) {
	if errno := d.autobind(); errno != 0 {
		return 0, errno
	}
	if n, ok := d.tr.(*netlinkTransport); ok {
		if errno := n.checkSend(t, &o); errno != 0 {
			return 0, errno
		}
	}
	if errno := d.checkSize(o); errno != 0 {
		return 0, errno
	}
	to, sc, errno := d.whither(t, o)
	if errno != 0 {
		return 0, errno
	}
	if d.probes(o.flags) {
		return int(o.length()), d.unrouted(to, sc)
	}
	p, errno := d.payload(t, o, to, sc)
	if errno != 0 {
		if earlier := d.unrouted(to, sc); earlier != 0 {
			errno = earlier
		}
		d.cork.drop()
		return 0, errno
	}
	return len(p), d.gatherOrSend(p, to, sc, o.flags&unix.MSG_MORE != 0)
}

// probes says whether a send only looks for the route: MSG_PROBE, with which
// ip_make_skb makes no packet and takes nothing of the message.
func (d *datagram) probes(flags int32) bool {
	return flags&unix.MSG_PROXY != 0 && d.tr.endpoint() != nil
}

// whither is where a datagram goes, nil: to the peer, and with which control data.
// What is added to an open datagram goes where that does.
func (d *datagram) whither(t trap.Task, o outgoing) (*abi.Sockaddr, *stack.SendControl, unix.Errno) {
	corked, open := d.cork.opened()
	if open && d.idn.family == unix.AF_INET {
		return nil, nil, 0
	}
	to, errno := d.destination(o.name)
	isIPv4 := (to != nil || o.name == nil && !open) && d.leavesByIPv4(to)
	if f, _ := abi.Family(o.name); errno == 0 && isIPv4 || errno != 0 && f == unix.AF_INET && d.idn.family == unix.AF_INET6 && isUDP(&d.idn) {
		if earlier := d.checkMapped(o); earlier != 0 { // before what is wrong with the address
			errno = earlier
		}
	}
	if open && errno == 0 {
		if isIPv4 && !corked.Addr.Addr().Unmap().Is4() {
			errno = unix.EINVAL
		}
		return nil, nil, errno
	}
	if errno == 0 {
		errno = d.checkDestination(to, isIPv4)
	}
	if errno != 0 {
		return nil, nil, errno
	}
	sc, errno := d.sendControl(t, o.control, to)
	if errno == 0 && o.name != nil && to == nil && d.losesMapped() {
		errno = unix.ENETUNREACH
	}
	return to, sc, errno
}

// losesMapped says whether a send with an address of AF_UNSPEC finds no route to
// the IPv4 address that an IPv6 socket is connected to: udpv6_sendmsg has looked
// for mapped addresses then, and takes the peer's for one of IPv6.
func (d *datagram) losesMapped() bool {
	peer, errno := d.tr.peer()
	ip := peer.Addr.Addr()
	return errno == 0 && ip.Is4In6() && !d.e.stack.RoutesMapped(ip)
}

// destination decodes msg_name. AF_UNSPEC is taken for AF_INET, as udp_sendmsg
// does.
func (d *datagram) destination(raw []byte) (*abi.Sockaddr, unix.Errno) {
	if raw == nil {
		return nil, 0
	}
	if f, _ := abi.Family(raw); f == unix.AF_UNSPEC && d.idn.family == unix.AF_INET {
		if errno := checkLength(unix.AF_INET, raw); errno != 0 {
			return nil, errno
		}
		binary.NativeEndian.PutUint16(raw, unix.AF_INET)
	}
	sa, errno := remoteAddress(d.idn.family, raw)
	if errno == unix.EAFNOSUPPORT && d.idn.family == unix.AF_INET6 && isUDP(&d.idn) {
		errno = unix.EINVAL // udpv6_sendmsg
	}
	if errno != 0 {
		return nil, errno
	}
	if sa.Family == unix.AF_UNSPEC {
		return nil, 0
	}
	sa.Addr = d.loopbackIfMapped(sa.Addr)
	return &sa, 0
}

// transmit sends one datagram of the task.
func (d *datagram) transmit(p []byte, to *abi.Sockaddr, c *stack.SendControl) unix.Errno {
	if d.isWriteShut() {
		return unix.EPIPE
	}
	return d.deliver(p, to, c)
}

func (d *datagram) isWriteShut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writeShut
}

func (d *datagram) deliver(p []byte, to *abi.Sockaddr, c *stack.SendControl) unix.Errno {
	errno := d.tr.send(p, to, c)
	if errno == unix.EMSGSIZE {
		d.takeQueued() // an error of this host's comes by no notification
	}
	if errno == unix.EAGAIN {
		// netstack's send buffer is full for a moment; Linux would wait for the
		// device, but loses nothing that UDP does not.
		return unix.ENOBUFS
	}
	return errno
}

// sendMsg sends the struct msghdr at addr and returns its length.
func (d *datagram) sendMsg(t trap.Task, addr uint64, flags int32) (int, unix.Errno) {
	o, errno := copyMessage(t, addr)
	if errno != 0 {
		return 0, errno
	}
	o.flags = flags
	return d.sendOut(t, o)
}

// copyMessage copies in what the struct msghdr at addr says, but the payload.
func copyMessage(t trap.Task, addr uint64) (o outgoing, errno unix.Errno) {
	if errno := checkMsghdr(t, addr, true); errno != 0 {
		return o, errno
	}
	h, errno := copyMsghdr(t, addr)
	if errno != 0 {
		return o, errno
	}
	if h.Name != 0 && h.NameLen > 0 {
		if o.name, errno = copyAddress(t, h.Name, int32(min(h.NameLen, abi.SizeofSockaddrStorage))); errno != 0 {
			return o, errno
		}
	}
	if o.vec, errno = copyIovec(t, h.IOV, h.IOVLen); errno != 0 {
		return o, errno
	}
	o.control = make([]byte, min(h.ControlLen, maxControl)) // checked; a racing task only cheats itself
	if len(o.control) > 0 {
		if errno := t.ReadMemory(h.Control, o.control); errno != 0 {
			return o, errno
		}
	}
	return o, 0
}

// sendMany is sendmmsg(2).
func (d *datagram) sendMany(t trap.Task, c trap.Call) trap.Verdict {
	count := min(uint32(c.Args[2]), maxIovec)
	for i := uint32(0); i < count; i++ {
		addr := c.Pointer(1) + uint64(i)*abi.SizeofMMsghdr
		n, errno := d.sendMsg(t, addr, c.Int32(3))
		if errno == 0 {
			errno = writeInt32(t, addr+abi.OffsetMMsghdrLen, int32(n))
		}
		switch {
		case errno != 0 && i > 0:
			return trap.Done(int64(i))
		case errno != 0:
			return trap.Fail(errno)
		case n > 0 && d.probes(c.Int32(3)):
			return trap.Done(int64(i + 1)) // it ends behind a message of which something is left
		}
	}
	return trap.Done(int64(count))
}
