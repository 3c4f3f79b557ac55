package netemu

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// send is sendto(2), sendmsg(2) and sendmmsg(2). A connection goes where it goes
// whatever the call says, but for MSG_FASTOPEN, which would make one; of UDP only a
// sendto(2) without address is the kernel's.
func (d *direct) send(t trap.Task, c trap.Call) trap.Verdict {
	if errno := checkMessageCall(c); errno != 0 {
		return trap.Fail(errno)
	}
	flags := c.Int32(2)
	if c.NR != unix.SYS_SENDMSG {
		flags = c.Int32(3)
	}
	switch {
	case flags&unix.MSG_FASTOPEN != 0:
		return trap.Fail(unix.EOPNOTSUPP)
	case c.NR == unix.SYS_SENDTO && c.Pointer(4) == 0:
		return trap.Run()
	case d.isTCP():
		return harmless(c)
	}
	return d.lend(func(t trap.Task, file int) trap.Verdict { return d.sendFrom(t, c, file, flags, 0) })
}

// sendFrom sends the datagrams of a call from message i on.
func (d *direct) sendFrom(t trap.Task, c trap.Call, file int, flags int32, i uint32) trap.Verdict {
	count := uint32(1)
	if c.NR == unix.SYS_SENDMMSG {
		count = min(uint32(c.Args[2]), maxIovec)
	}
	for ; i < count; i++ {
		n, errno := d.sendOne(t, c, file, flags, i)
		if c.NR != unix.SYS_SENDMMSG && errno == 0 {
			return trap.Done(int64(n))
		}
		if errno == 0 {
			errno = writeInt32(t, c.Pointer(1)+uint64(i)*abi.SizeofMMsghdr+abi.OffsetMMsghdrLen, int32(n))
		}
		switch {
		case errno == 0:
		case errno == within && i == 0:
			return d.replace(t, file, c, d.e.send)
		case i > 0:
			return trap.Done(int64(i)) // the rest is the next call's
		case errno == unix.EAGAIN && (fileFlags(file)|int(flags)<<nonblockShift)&unix.O_NONBLOCK == 0:
			return d.awaitRoom(c, file, flags)
		default:
			return trap.Fail(errno)
		}
	}
	return trap.Done(int64(count))
}

// within stands for an errno where a message is the sandbox's affair: no call has it.
const within = unix.Errno(4095)

// awaitRoom has the task wait until its send buffer has room, within SO_SNDTIMEO.
func (d *direct) awaitRoom(c trap.Call, file int, flags int32) trap.Verdict {
	w := &trap.Wait{FD: d.fd, Events: unix.POLLOUT, Timeout: -1}
	if limit, limited := waitLimit(file, unix.SO_SNDTIMEO); limited {
		w.Timeout, _ = limit.Duration()
	}
	w.Again = func(_ trap.Task, ready bool) trap.Verdict {
		if !ready {
			return trap.Fail(unix.EAGAIN)
		}
		return d.lend(func(t trap.Task, file int) trap.Verdict { return d.sendFrom(t, c, file, flags, 0) })
	}
	return w.Verdict()
}

// sendOne sends message i of a call and returns its length.
func (d *direct) sendOne(t trap.Task, c trap.Call, file int, flags int32, i uint32) (int, unix.Errno) {
	o, errno := takeMessage(t, c, i)
	if errno != 0 {
		return 0, errno
	}
	control, errno := passedControl(o.control)
	if errno != 0 {
		return 0, errno
	}
	var to []byte
	if o.name != nil {
		sa, errno := d.recipient(o.name)
		if errno != 0 {
			return 0, errno
		}
		at, ok := d.reach(sa)
		if !ok {
			return 0, within
		}
		if errno := d.e.outside.hear(file, at.Addr); errno != 0 {
			return 0, errno
		}
		to = at.Bytes()
	}
	buf := datagramBuffers.Get().(*[]byte)
	defer datagramBuffers.Put(buf)
	n, errno := gatherInto(t, o.vec, *buf)
	if errno != 0 {
		if _, alone := peerOf(file); alone != 0 && to == nil {
			errno = unix.EDESTADDRREQ // udp_sendmsg looks there first
		}
		return 0, errno
	}
	d.e.outside.count.sends.Add(1)
	return sendFile(file, (*buf)[:n], to, control, flags)
}

// takeMessage copies in what message i of a sending call says.
func takeMessage(t trap.Task, c trap.Call, i uint32) (outgoing, unix.Errno) {
	switch c.NR {
	case unix.SYS_SENDMSG:
		return copyMessage(t, c.Pointer(1))
	case unix.SYS_SENDMMSG:
		return copyMessage(t, c.Pointer(1)+uint64(i)*abi.SizeofMMsghdr)
	}
	o := outgoing{vec: []iovec{{c.Pointer(1), min(c.Args[2], maxTransfer)}}}
	var errno unix.Errno
	o.name, errno = copyAddress(t, c.Pointer(4), c.Int32(5))
	return o, errno
}

// recipient decodes msg_name. AF_UNSPEC is AF_INET to an IPv4 socket (udp_sendmsg).
func (d *direct) recipient(raw []byte) (abi.Sockaddr, unix.Errno) {
	if f, _ := abi.Family(raw); f == unix.AF_UNSPEC && d.idn.family == unix.AF_INET && len(raw) >= abi.SizeofSockaddrInet4 {
		raw[0] = unix.AF_INET
	}
	sa, errno := remoteAddress(d.idn.family, raw)
	if errno == unix.EAFNOSUPPORT && d.idn.family == unix.AF_INET6 {
		errno = unix.EINVAL // udpv6_sendmsg
	}
	return sa, errno
}

// directControl are the control messages that are sent with a datagram as they are.
// Others name addresses or interfaces of the sandbox.
var directControl = map[optionKey]bool{
	{unix.SOL_IP, unix.IP_TTL}: true, {unix.SOL_IP, unix.IP_TOS}: true,
	{unix.SOL_IPV6, unix.IPV6_HOPLIMIT}: true, {unix.SOL_IPV6, unix.IPV6_TCLASS}: true,
	{unix.SOL_UDP, unix.UDP_SEGMENT}: true,
}

// passedControl writes control messages anew: within, if one is the sandbox's affair.
func passedControl(raw []byte) (out []byte, errno unix.Errno) {
	for m, errno := range abi.Cmsgs(raw) {
		switch {
		case errno != 0:
			return nil, errno
		case !directControl[optionKey{m.Level, m.Type}]:
			return nil, within
		}
		out, _ = abi.AppendCmsg(out, maxControl, m)
	}
	return out, 0
}

// gatherInto copies what an iovec array points to into b. EMSGSIZE: it has no room.
func gatherInto(t trap.Task, vec []iovec, b []byte) (n int, errno unix.Errno) {
	for _, v := range vec {
		if v.length > uint64(len(b)-n) {
			return 0, unix.EMSGSIZE
		}
		if v.length == 0 {
			continue
		}
		if errno := t.ReadMemory(v.base, b[n:n+int(v.length)]); errno != 0 {
			return 0, errno
		}
		n += int(v.length)
	}
	return n, 0
}

// sendFile is sendmsg(2), without waiting.
func sendFile(file int, p, to, control []byte, flags int32) (int, unix.Errno) {
	flags |= unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if len(control) == 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(file), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			uintptr(uint32(flags)), uintptr(unsafe.Pointer(unsafe.SliceData(to))), uintptr(len(to)))
		return int(n), errno
	}
	iov := unix.Iovec{Base: unsafe.SliceData(p)}
	iov.SetLen(len(p))
	h := unix.Msghdr{Iov: &iov, Control: &control[0], Name: unsafe.SliceData(to), Namelen: uint32(len(to))}
	h.SetIovlen(1)
	h.SetControllen(len(control))
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(file), uintptr(unsafe.Pointer(&h)), uintptr(uint32(flags)))
	return int(n), errno
}
