package notify

import (
	"encoding/binary"
	"time"

	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// receiveLater goes on with a receive when there is something, or its socket's time
// limit has passed.
func (t *task) receiveLater(r *trap.Receive) trap.Verdict {
	w := &trap.Wait{FD: r.FD, Events: unix.POLLIN, Timeout: t.timeLimit(r.FD, unix.SO_RCVTIMEO)}
	w.Again = func(_ trap.Task, ready bool) trap.Verdict {
		if !ready {
			return r.Then(t, -int64(unix.EAGAIN), 0, -1)
		}
		return r.Verdict()
	}
	return w.Verdict()
}

// timeLimit is what SO_RCVTIMEO or SO_SNDTIMEO of a descriptor says; negative: none.
func (t *task) timeLimit(fd int32, option int) time.Duration {
	file, errno := t.Borrow(fd)
	if errno != 0 {
		return -1
	}
	defer unix.Close(file)
	limit, err := unix.GetsockoptTimeval(file, unix.SOL_SOCKET, option)
	if err != nil || limit.Nano() == 0 {
		return -1
	}
	return time.Duration(limit.Nano())
}

// transfer is bytes of a stream on their way between the task's memory and a copy of
// its descriptor, as the kernel moves them for a call that may block.
type transfer struct {
	t     *task
	fd    int32
	vec   []span
	flags int
	done  uint64
	// begun: what was done before would be done again if the call were.
	begun bool
	// then has the call's result, and a receive's msg_flags.
	then func(n int64, flags int) trap.Verdict
}

// total is how many bytes there is room for.
func (x *transfer) total() uint64 {
	n := uint64(0)
	for _, v := range x.vec {
		n += v.length
	}
	return n
}

// end ends the transfer: an error is told only if nothing was done.
func (x *transfer) end(errno unix.Errno, flags int) trap.Verdict {
	if x.done > 0 || errno == 0 {
		return x.then(int64(x.done), flags)
	}
	return x.then(-int64(errno), flags)
}

// wait goes on when the descriptor is ready, and ends with EAGAIN when its time limit
// has passed.
func (x *transfer) wait(events int16, option int, next func() trap.Verdict) trap.Verdict {
	w := &trap.Wait{FD: x.fd, Events: events, Timeout: x.t.timeLimit(x.fd, option)}
	w.Again = func(_ trap.Task, ready bool) trap.Verdict {
		if !ready {
			return x.end(unix.EAGAIN, 0)
		}
		return next()
	}
	x.t.begun = x.begun || x.done > 0
	return w.Verdict()
}

// part is the next piece of the task's memory, of one span and up to what a buffer
// holds.
func (x *transfer) part() (at uint64, buffer []byte) {
	skip := x.done
	for _, v := range x.vec {
		if skip < v.length {
			return v.addr + skip, x.t.scratch().payload[:min(v.length-skip, payloadRoom)]
		}
		skip -= v.length
	}
	return 0, nil
}

// receive moves bytes to the task: with MSG_WAITALL all, else what is there.
func (x *transfer) receive() trap.Verdict {
	all := x.flags&unix.MSG_WAITALL != 0
	for {
		file, errno := x.t.Borrow(x.fd)
		if errno != 0 {
			return x.end(errno, 0)
		}
		at, buffer := x.part()
		blocking := x.flags&unix.MSG_DONTWAIT == 0 && blocks(file)
		n, flags, err := x.take(file, at, buffer)
		unix.Close(file)
		switch {
		case err == unix.EAGAIN && blocking && (all || x.done == 0):
			return x.wait(unix.POLLIN, unix.SO_RCVTIMEO, x.receive)
		case err != nil:
			return x.end(proc.Errno(err), 0)
		}
		if errno := x.t.WriteMemory(at, buffer[:min(n, len(buffer))]); errno != 0 {
			return x.end(errno, flags)
		}
		x.done += uint64(n)
		if n == 0 || x.flags&unix.MSG_PEEK != 0 || n < len(buffer) && !all || x.done >= x.total() {
			return x.end(0, flags)
		}
	}
}

// take takes bytes off the file, if there are some, and if the task can have them:
// those that can't be stored stay (EFAULT).
func (x *transfer) take(file int, at uint64, buffer []byte) (n, flags int, err error) {
	how := x.flags&^unix.MSG_WAITALL | unix.MSG_DONTWAIT
	var first [1]byte
	n, _, flags, _, err = unix.RecvmsgBuffers(file, [][]byte{first[:]}, nil, how|unix.MSG_PEEK)
	if err != nil || n == 0 {
		return n, flags, err
	}
	if errno := x.t.ReadMemory(at, buffer); errno != 0 {
		return 0, 0, errno
	}
	if errno := x.t.WriteMemory(at, buffer); errno != 0 {
		return 0, 0, errno
	}
	n, _, flags, _, err = unix.RecvmsgBuffers(file, [][]byte{buffer}, nil, how)
	return n, flags, err
}

// takeIn is a receive on a stream.
func (t *task) takeIn(r *trap.Receive) trap.Verdict {
	x := &transfer{t: t, fd: r.FD, flags: r.Flags, vec: []span{{r.Buf, r.BufLen}}}
	x.then = func(n int64, flags int) trap.Verdict { return r.Then(t, n, flags, -1) }
	if r.IOVLen > 0 {
		var errno unix.Errno
		if x.vec, errno = t.spans(r.IOV, r.IOVLen); errno != 0 {
			return x.end(errno, 0)
		}
	}
	return x.receive()
}

// Offsets in struct msghdr on 64-bit Linux, <linux/socket.h>, and the size of struct
// mmsghdr, which has the length behind it.
const (
	headerName       = 0
	headerNameLen    = 8
	headerIOV        = 16
	headerIOVLen     = 24
	headerControlLen = 40
	headerFlags      = 48
	headerLen        = 56
	manyLen          = 64
)

// vector reads where a struct msghdr has its bytes.
func (t *task) vector(header []byte) ([]span, unix.Errno) {
	return t.spans(binary.NativeEndian.Uint64(header[headerIOV:]), binary.NativeEndian.Uint64(header[headerIOVLen:]))
}

// msgCompat is MSG_CMSG_COMPAT, of which recvfrom(2) and sendto(2) know nothing and
// the calls that are made in their place, EINVAL.
const msgCompat = 1 << 31

// plain is the flags of recvfrom(2) or sendto(2).
func plain(flags uint64) int { return int(int32(uint32(flags) &^ msgCompat)) }

// read is recvfrom(2) or recvmsg(2) of a stream.
func (t *task) read(n *trap.Native) trap.Verdict {
	args := t.arguments(n)
	x := &transfer{t: t, fd: int32(args[0])}
	if t.f.call.NR == unix.SYS_RECVFROM {
		x.vec, x.flags = []span{{args[1], args[2]}}, plain(args[3])
		x.then = func(got int64, _ int) trap.Verdict { return t.returned(n, got) }
		return x.receive()
	}
	var header [headerLen]byte
	errno := t.ReadMemory(args[1], header[:])
	if errno == 0 {
		x.vec, errno = t.vector(header[:])
	}
	if errno != 0 {
		return t.returned(n, -int64(errno))
	}
	x.flags = int(int32(args[2]))
	x.then = func(got int64, flags int) trap.Verdict {
		if got >= 0 {
			if errno := t.nameless(args[1], header[:], flags); errno != 0 {
				got = -int64(errno)
			}
		}
		return t.returned(n, got)
	}
	return x.receive()
}

// nameless writes back the struct msghdr at addr, as of a message without name and
// control messages.
func (t *task) nameless(addr uint64, header []byte, flags int) unix.Errno {
	if binary.NativeEndian.Uint64(header[headerName:]) != 0 {
		if e := t.WriteMemory(addr+headerNameLen, make([]byte, 4)); e != 0 {
			return e
		}
	}
	var tail [headerFlags + 4 - headerControlLen]byte
	binary.NativeEndian.PutUint32(tail[headerFlags-headerControlLen:], uint32(flags&^unix.MSG_CMSG_CLOEXEC))
	return t.WriteMemory(addr+headerControlLen, tail[:])
}
