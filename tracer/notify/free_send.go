package notify

import (
	"encoding/binary"

	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// send is sendto(2), sendmsg(2) or sendmmsg(2) of a stream.
func (t *task) send(n *trap.Native) trap.Verdict {
	args := t.arguments(n)
	switch t.f.call.NR {
	case unix.SYS_SENDTO:
		x := &transfer{t: t, fd: int32(args[0]), vec: []span{{args[1], args[2]}}, flags: plain(args[3])}
		x.then = func(sent int64, _ int) trap.Verdict { return t.returned(n, sent) }
		return x.send()
	case unix.SYS_SENDMSG:
		return t.sendHeader(n, args[1], int(int32(args[2])), false, func(sent int64, _ bool) trap.Verdict { return t.returned(n, sent) })
	}
	return t.sendEach(n, 0)
}

// sendEach is sendmmsg(2) from message i on.
func (t *task) sendEach(n *trap.Native, i uint64) trap.Verdict {
	args := t.arguments(n)
	if i == args[2] {
		return t.returned(n, int64(i))
	}
	addr := args[1] + i*manyLen
	return t.sendHeader(n, addr, int(int32(args[3])), i > 0 || n.Partial > 0, func(sent int64, whole bool) trap.Verdict {
		if sent >= 0 {
			if errno := t.tellSent(n, addr+headerLen, sent); errno != 0 {
				sent = -int64(errno)
			}
		}
		switch {
		case sent < 0 && i > 0:
			return t.returned(n, int64(i))
		case sent < 0:
			return t.returned(n, sent)
		case !whole:
			return t.returned(n, int64(i+1))
		}
		return t.sendEach(n, i+1)
	})
}

// tellSent writes a message's length behind its header.
func (t *task) tellSent(n *trap.Native, addr uint64, sent int64) unix.Errno {
	if n.Copy != nil {
		binary.NativeEndian.PutUint32(n.Copy[headerLen:], uint32(sent))
		return 0
	}
	var length [4]byte
	binary.NativeEndian.PutUint32(length[:], uint32(sent))
	return t.WriteMemory(addr, length[:])
}

// sendHeader sends the message of the struct msghdr at addr, or of the copy of it.
func (t *task) sendHeader(n *trap.Native, addr uint64, flags int, begun bool, then func(sent int64, whole bool) trap.Verdict) trap.Verdict {
	header := n.Copy
	var errno unix.Errno
	if header == nil {
		header = make([]byte, headerLen)
		errno = t.ReadMemory(addr, header)
	}
	x := &transfer{t: t, fd: int32(t.arguments(n)[0]), flags: flags, begun: begun}
	if errno == 0 {
		x.vec, errno = t.vector(header)
	}
	if errno != 0 {
		return then(-int64(errno), false)
	}
	x.then = func(sent int64, _ int) trap.Verdict { return then(sent, uint64(sent) == x.total()) }
	return x.send()
}

// send moves all bytes to the descriptor, or what finds room.
func (x *transfer) send() trap.Verdict {
	for {
		file, errno := x.t.Borrow(x.fd)
		if errno != 0 {
			return x.end(errno, 0)
		}
		at, buffer := x.part()
		blocking := x.flags&unix.MSG_DONTWAIT == 0 && blocks(file)
		n, err := 0, error(x.t.ReadMemory(at, buffer))
		if err == unix.Errno(0) {
			n, err = unix.SendmsgN(file, buffer, nil, nil, x.flags|unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		}
		unix.Close(file)
		switch {
		case err == unix.EAGAIN && blocking:
			return x.wait(unix.POLLOUT, unix.SO_SNDTIMEO, x.send)
		case err == unix.EPIPE && x.done == 0 && x.flags&unix.MSG_NOSIGNAL == 0:
			_ = unix.Tgkill(x.t.PID(), x.t.TID(), unix.SIGPIPE) // ESRCH: killed
		}
		if err != nil {
			return x.end(proc.Errno(err), 0)
		}
		if x.done += uint64(n); x.done >= x.total() {
			return x.end(0, 0)
		}
	}
}
