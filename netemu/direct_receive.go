package netemu

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// receive is recvfrom(2), recvmsg(2) and recvmmsg(2). The kernel has TCP tell no
// addresses. Where the sandbox has other names than the host for none, what it tells
// of a datagram is right, too; else the supervisor receives on a copy.
func (d *direct) receive(t trap.Task, c trap.Call) trap.Verdict {
	if errno := checkMessageCall(c); errno != 0 {
		return trap.Fail(errno)
	}
	if d.isTCP() || !d.e.outside.Renames() {
		return trap.Run()
	}
	return d.lend(func(t trap.Task, file int) trap.Verdict {
		return d.receiveFrom(t, c, file, deadlineOf(file, unix.SO_RCVTIMEO))
	})
}

// receiveFrom receives what is there, of a recvmmsg(2) at most as much as it asks for.
func (d *direct) receiveFrom(t trap.Task, c trap.Call, file int, deadline time.Time) trap.Verdict {
	flags, count := c.Int32(2), uint32(1)
	switch c.NR {
	case unix.SYS_RECVFROM:
		flags = c.Int32(3)
	case unix.SYS_RECVMMSG:
		flags, count = c.Int32(3)&^unix.MSG_WAITFORONE, min(uint32(c.Args[2]), maxIovec)
	}
	for i := range count {
		n, errno := d.receiveOne(t, c, file, flags, i)
		if c.NR != unix.SYS_RECVMMSG && errno == 0 {
			return trap.Done(int64(n))
		}
		if errno == 0 {
			errno = writeInt32(t, c.Pointer(1)+uint64(i)*abi.SizeofMMsghdr+abi.OffsetMMsghdrLen, int32(n))
		}
		switch {
		case errno == 0:
		case i > 0:
			return trap.Done(int64(i))
		case errno == unix.EAGAIN && flags&unix.MSG_ERRQUEUE == 0 && (fileFlags(file)|int(flags)<<nonblockShift)&unix.O_NONBLOCK == 0:
			if answered(d.e, file, deadline) {
				return d.receiveFrom(t, c, file, deadline)
			}
			return d.awaitDatagram(c, deadline)
		default:
			return trap.Fail(errno)
		}
	}
	return trap.Done(int64(count))
}

// answerTime is how long a receiving call keeps the engine for an answer that is on
// its way: from the same host it takes some 20 µs, and a wait in the task three times
// that.
const answerTime = 200 * time.Microsecond

// answered waits for something to receive, as long as such waits are worth it.
func answered(e *Emulator, file int, deadline time.Time) bool {
	begin := time.Now()
	wait := min(answerTime, e.prompt.limit(begin))
	if !deadline.IsZero() {
		wait = min(wait, deadline.Sub(begin))
	}
	if wait <= 0 {
		return false
	}
	limit := unix.NsecToTimespec(int64(wait))
	p := []unix.PollFd{{Fd: int32(file), Events: unix.POLLIN}}
	if n, _ := unix.Ppoll(p, &limit, nil); n > 0 {
		return true
	}
	e.prompt.Add(time.Since(begin))
	return false
}

// awaitDatagram has the task wait for something to receive, until the deadline.
func (d *direct) awaitDatagram(c trap.Call, deadline time.Time) trap.Verdict {
	wait := time.Duration(-1)
	if !deadline.IsZero() {
		if wait = time.Until(deadline); wait <= 0 {
			return trap.Fail(unix.EAGAIN)
		}
	}
	w := &trap.Wait{FD: d.fd, Events: unix.POLLIN, Timeout: wait}
	w.Again = func(_ trap.Task, ready bool) trap.Verdict {
		if !ready {
			return trap.Fail(unix.EAGAIN)
		}
		return d.lend(func(t trap.Task, file int) trap.Verdict { return d.receiveFrom(t, c, file, deadline) })
	}
	return w.Verdict()
}

// receiveOne receives message i of a call, and returns what recvmsg(2) would.
func (d *direct) receiveOne(t trap.Task, c trap.Call, file int, flags int32, i uint32) (int, unix.Errno) {
	var h abi.Msghdr
	r := recvRequest{buf: c.Pointer(1), bufLen: min(c.Args[2], maxTransfer)}
	addr := c.Pointer(1) + uint64(i)*abi.SizeofMMsghdr
	room := r.bufLen
	if c.NR != unix.SYS_RECVFROM {
		errno := checkMsghdr(t, addr, false)
		if errno == 0 {
			h, errno = copyMsghdr(t, addr)
		}
		if errno != 0 {
			return 0, errno
		}
		r = recvRequest{iov: h.IOV, iovLen: h.IOVLen}
		vec, errno := copyIovec(t, h.IOV, h.IOVLen)
		if errno != 0 {
			return 0, errno
		}
		room = outgoing{vec: vec}.length()
	}
	buf := datagramBuffers.Get().(*[]byte)
	defer datagramBuffers.Put(buf)
	m, errno := receiveFile(file, (*buf)[:min(room, uint64(len(*buf)))], flags, h.Control != 0 && h.ControlLen > 0)
	if errno != 0 {
		return 0, errno
	}
	if _, errno := scatter(t, r, m.data); errno != 0 {
		return 0, errno
	}
	m.told.from = d.seen(m.told.from, d.e.outside.Seen)
	for _, cm := range m.told.control {
		d.renameOffender(cm)
	}
	if c.NR == unix.SYS_RECVFROM {
		return int(m.told.n), writeAddress(t, m.told.from.Bytes(), c.Pointer(4), c.Pointer(5))
	}
	return int(m.told.n), writeMsghdr(t, addr, h, m.told)
}

// renameOffender writes over the address of the host that sent an ICMP error, behind
// the struct sock_extended_err of a message of the error queue.
func (d *direct) renameOffender(m abi.Cmsg) {
	const errorLen = 16 // sizeof(struct sock_extended_err)
	if !(m.Level == unix.SOL_IP && m.Type == unix.IP_RECVERR || m.Level == unix.SOL_IPV6 && m.Type == unix.IPV6_RECVERR) || len(m.Data) < errorLen {
		return
	}
	raw := m.Data[errorLen:]
	sa, errno := abi.ParseSockaddr(raw)
	if errno != 0 || !sa.Addr.Addr().IsValid() || sa.Addr.Addr().IsUnspecified() {
		return
	}
	by := d.e.outside.Seen
	copy(raw, d.seen(sa, by).Bytes())
}

// message is what was received on a copy.
type message struct {
	data []byte
	told delivered
}

// receiveFile is recvmsg(2), without waiting.
func receiveFile(file int, b []byte, flags int32, control bool) (message, unix.Errno) {
	var name [abi.SizeofSockaddrStorage]byte
	iov := unix.Iovec{Base: unsafe.SliceData(b)}
	iov.SetLen(len(b))
	h := unix.Msghdr{Iov: &iov, Name: &name[0], Namelen: uint32(len(name))}
	h.SetIovlen(1)
	var oob []byte
	if control {
		oob = make([]byte, controlRoom)
		h.Control = &oob[0]
		h.SetControllen(len(oob))
	}
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(file), uintptr(unsafe.Pointer(&h)), uintptr(uint32(flags|unix.MSG_DONTWAIT)))
	if errno != 0 {
		return message{}, errno
	}
	m := message{data: b[:min(int(n), len(b))], told: delivered{n: int64(n), flags: int(h.Flags)}}
	m.told.from, errno = abi.ParseSockaddr(name[:h.Namelen])
	m.told.nameless = errno != 0
	for c, errno := range abi.Cmsgs(oob[:h.Controllen]) {
		if errno == 0 {
			m.told.control = append(m.told.control, c)
		}
	}
	return m, 0
}

// controlRoom holds all control messages that directOptions can ask for, in bytes:
// the longest are timestamps and an error with an IPv6 offender.
const controlRoom = 512
