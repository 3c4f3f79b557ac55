package netemu

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/netemu/surrogate"
	"netbox/trap"
)

// send is sendto(2) with an address, sendmsg(2) and sendmmsg(2).
func (d *datagram) send(t trap.Task, c trap.Call) trap.Verdict {
	d.calledBy(t)
	switch c.NR {
	case unix.SYS_SENDMSG:
		n, errno := d.sendMsg(t, c.Pointer(1), c.Int32(2))
		return doneOr(int64(n), errno)
	case unix.SYS_SENDMMSG:
		return d.sendMany(t, c)
	}
	to, errno := d.destination(t, c.Pointer(4), c.Int32(5))
	switch {
	case errno != 0:
	case c.Int32(3)&unix.MSG_OOB != 0:
		errno = unix.EOPNOTSUPP
	default:
		errno = d.checkDestination(to)
	}
	if errno != 0 {
		return trap.Fail(errno)
	}
	if c.Args[2] > surrogate.MaxDatagram {
		return trap.Fail(d.tooLong(to))
	}
	p := make([]byte, c.Args[2])
	if errno := t.ReadMemory(c.Pointer(1), p); len(p) > 0 && errno != 0 {
		return trap.Fail(errno)
	}
	return doneOr(int64(len(p)), d.transmit(p, to, nil, c.Int32(3)))
}

// tooLong is the errno of a datagram that no IP packet has room for, which the
// transport may have more to tell of.
func (d *datagram) tooLong(to *abi.Sockaddr) unix.Errno {
	errno := d.transmit(make([]byte, surrogate.MaxDatagram+1), to, nil, 0)
	if errno == 0 {
		return unix.EMSGSIZE
	}
	return errno
}

// checkDestination is EDESTADDRREQ for a datagram without one, which Linux says
// before it looks at the payload.
func (d *datagram) checkDestination(to *abi.Sockaddr) unix.Errno {
	if to == nil {
		if _, errno := d.tr.peer(); errno != 0 {
			return unix.EDESTADDRREQ
		}
	}
	return 0
}

func doneOr(n int64, errno unix.Errno) trap.Verdict {
	if errno != 0 {
		return trap.Fail(errno)
	}
	return trap.Done(n)
}

// destination decodes msg_name. AF_UNSPEC is taken for AF_INET, as udp_sendmsg
// does.
func (d *datagram) destination(t trap.Task, addr uint64, length int32) (*abi.Sockaddr, unix.Errno) {
	if addr == 0 {
		return nil, 0
	}
	raw, errno := copyAddress(t, addr, length)
	if errno != 0 {
		return nil, errno
	}
	if f, _ := abi.Family(raw); f == unix.AF_UNSPEC && d.idn.family == unix.AF_INET && len(raw) >= abi.SizeofSockaddrInet4 {
		binary.NativeEndian.PutUint16(raw, unix.AF_INET)
	}
	sa, errno := remoteAddress(d.idn.family, raw)
	if errno != 0 {
		return nil, errno
	}
	if sa.Family == unix.AF_UNSPEC {
		return nil, 0
	}
	return &sa, 0
}

// transmit sends one datagram of the task.
func (d *datagram) transmit(p []byte, to *abi.Sockaddr, c *stack.SendControl, flags int32) unix.Errno {
	if flags&unix.MSG_OOB != 0 {
		return unix.EOPNOTSUPP
	}
	d.mu.Lock()
	shut := d.writeShut
	d.mu.Unlock()
	if shut {
		return unix.EPIPE
	}
	errno := d.tr.send(p, to, c)
	if _, isRaw := d.tr.(*raw); errno != 0 && isRaw && d.takeQueued() {
		// Raw sockets do not tell a pending error to a sender (ip_append_data
		// looks for one only where there is a transport header).
		errno = d.tr.send(p, to, c)
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
	if errno := checkMsghdr(t, addr, true); errno != 0 {
		return 0, errno
	}
	h, errno := copyMsghdr(t, addr)
	if errno != 0 {
		return 0, errno
	}
	if h.NameLen == 0 {
		h.Name = 0
	}
	to, errno := d.destination(t, h.Name, int32(h.NameLen))
	if errno != 0 {
		return 0, errno
	}
	control := make([]byte, min(h.ControlLen, maxControl)) // checked; a racing task only cheats itself
	if len(control) > 0 {
		if errno := t.ReadMemory(h.Control, control); errno != 0 {
			return 0, errno
		}
	}
	sc, errno := d.sendControl(t, control)
	if errno != 0 {
		return 0, errno
	}
	if errno := d.checkDestination(to); errno != 0 {
		return 0, errno
	}
	vec, errno := copyIovec(t, h.IOV, h.IOVLen)
	if errno != 0 {
		return 0, errno
	}
	p, errno := gather(t, vec, surrogate.MaxDatagram)
	if errno != 0 {
		return 0, errno
	}
	return len(p), d.transmit(p, to, sc, flags)
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
		if errno != 0 {
			if i > 0 {
				return trap.Done(int64(i))
			}
			return trap.Fail(errno)
		}
	}
	return trap.Done(int64(count))
}

// sendControl decodes the control messages of a sendmsg(2) (ip_cmsg_send,
// ip6_datagram_send_ctl). What other socket layers use is passed over.
func (d *datagram) sendControl(t trap.Task, control []byte) (*stack.SendControl, unix.Errno) {
	if len(control) == 0 {
		return nil, 0
	}
	out := &stack.SendControl{TTL: -1, HopLimit: -1}
	for m, errno := range abi.Cmsgs(control) {
		if errno != 0 {
			return nil, errno
		}
		if errno := addSendControl(out, m); errno != 0 {
			d.e.ledger.count(t, "control message", [2]int32{m.Level, m.Type})
			return nil, errno
		}
	}
	return out, 0
}

func addSendControl(out *stack.SendControl, m abi.Cmsg) unix.Errno {
	switch [2]int32{m.Level, m.Type} {
	case [2]int32{unix.SOL_IP, unix.IP_TTL}:
		v, errno := abi.ParseInt(m.Data)
		if errno == 0 && (v < 1 || v > 255) {
			errno = unix.EINVAL
		}
		out.TTL = int(v)
		return errno
	case [2]int32{unix.SOL_IPV6, unix.IPV6_HOPLIMIT}:
		v, errno := abi.ParseInt(m.Data)
		if errno == 0 && (v < -1 || v > 255) {
			errno = unix.EINVAL
		}
		out.HopLimit = int(v)
		return errno
	case [2]int32{unix.SOL_IP, unix.IP_PKTINFO}:
		p, errno := abi.ParseInPktinfo(m.Data)
		out.PktInfo = &stack.PktInfo{NIC: p.NIC, Local: specified(p.Local)}
		return errno
	case [2]int32{unix.SOL_IPV6, unix.IPV6_PKTINFO}:
		p, errno := abi.ParseIn6Pktinfo(m.Data)
		out.PktInfo = &stack.PktInfo{NIC: p.NIC, Local: specified(p.Addr)}
		return errno
	case [2]int32{unix.SOL_IP, unix.IP_TOS}, [2]int32{unix.SOL_IPV6, unix.IPV6_TCLASS}:
		// The mark changes nothing that a peer of the sandbox could see.
		return 0
	}
	if m.Level != unix.SOL_IP && m.Level != unix.SOL_IPV6 && m.Level != unix.SOL_SOCKET {
		return 0
	}
	return unix.EINVAL
}

// specified is a, or the invalid address for the wildcard.
func specified(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
