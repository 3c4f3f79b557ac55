package netemu

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// connect is connect(2).
func (d *direct) connect(t trap.Task, c trap.Call) trap.Verdict {
	raw, errno := copyAddress(t, c.Pointer(1), c.Int32(2))
	if errno != 0 {
		return trap.Fail(errno)
	}
	f, errno := abi.Family(raw)
	switch {
	case errno != 0:
		return trap.Fail(errno)
	case f == unix.AF_UNSPEC:
		return d.lend(func(_ trap.Task, file int) trap.Verdict { return trap.Fail(connectFile(file, unspecified)) })
	}
	sa, errno := d.destination(raw)
	if errno != 0 {
		return trap.Fail(errno)
	}
	to, ok := d.reach(sa)
	if !ok {
		return d.connectWithin(c)
	}
	d.e.outside.count.connects.Add(1)
	return d.lend(func(t trap.Task, file int) trap.Verdict {
		if !d.isTCP() {
			return trap.Fail(d.connectDatagram(file, to))
		}
		return d.connectStream(file, to.Bytes())
	})
}

// unspecified dissolves an association.
var unspecified = make([]byte, abi.SizeofSockaddrInet4)

// destination decodes the address of connect(2).
func (d *direct) destination(raw []byte) (abi.Sockaddr, unix.Errno) {
	if d.isTCP() {
		return streamAddress(d.idn.family, raw)
	}
	return remoteAddress(d.idn.family, raw)
}

// connectWithin is connect(2) to what is not the host's to reach. A TCP socket that
// has a connection, or is about to, says so whatever the address.
func (d *direct) connectWithin(c trap.Call) trap.Verdict {
	return d.lend(func(t trap.Task, file int) trap.Verdict {
		if d.isTCP() && !closed(file) {
			errno := d.outcome(file)
			if errno == unix.EALREADY && fileFlags(file)&unix.O_NONBLOCK == 0 {
				return d.awaitConnection(file, errno)
			}
			return trap.Fail(errno)
		}
		return d.replace(t, file, c, d.e.connect)
	})
}

// connectDatagram is connect(2) of UDP, which never waits.
func (d *direct) connectDatagram(file int, to abi.Sockaddr) unix.Errno {
	if errno := d.e.outside.alsoHear(file, to.Addr); errno != 0 {
		return errno
	}
	return connectFile(file, to.Bytes())
}

// connectStream is connect(2) of TCP. One that blocks is begun without, and the
// task waits in poll(2).
func (d *direct) connectStream(file int, to []byte) trap.Verdict {
	o := &d.e.outside
	o.connecting.Lock()
	defer o.connecting.Unlock()
	flags := fileFlags(file)
	if flags&unix.O_NONBLOCK != 0 {
		return trap.Fail(connectFile(file, to))
	}
	setFileFlags(file, flags|unix.O_NONBLOCK)
	errno := connectFile(file, to)
	busy := errno
	if errno == unix.EINPROGRESS {
		// On the same host the handshake is over by now.
		errno = connectFile(file, d.noAddress())
	}
	setFileFlags(file, flags)
	if errno == unix.EALREADY {
		return d.awaitConnection(file, busy)
	}
	return trap.Fail(errno)
}

// noAddress is what connect(2) is called with for the outcome of the call before. It
// is too short for an address, so a socket that has become free meanwhile connects to
// nothing: EINVAL.
func (d *direct) noAddress() []byte {
	return binary.NativeEndian.AppendUint16(nil, uint16(d.idn.family))
}

// outcome is what connect(2) tells of a connection that is there, or under way.
func (d *direct) outcome(file int) unix.Errno {
	o := &d.e.outside
	o.connecting.Lock()
	defer o.connecting.Unlock()
	flags := fileFlags(file)
	setFileFlags(file, flags|unix.O_NONBLOCK)
	errno := connectFile(file, d.noAddress())
	setFileFlags(file, flags)
	return errno
}

// awaitConnection has the task wait for the outcome, within SO_SNDTIMEO; when that is
// over the call fails with busy.
func (d *direct) awaitConnection(file int, busy unix.Errno) trap.Verdict {
	w := &trap.Wait{FD: d.fd, Events: unix.POLLOUT, Timeout: -1}
	if limit, limited := waitLimit(file, unix.SO_SNDTIMEO); limited {
		w.Timeout, _ = limit.Duration()
	}
	w.Again = func(_ trap.Task, ready bool) trap.Verdict {
		if !ready {
			return trap.Fail(busy)
		}
		return d.lend(func(_ trap.Task, file int) trap.Verdict {
			switch errno := d.outcome(file); errno {
			case unix.EALREADY:
				return d.awaitConnection(file, busy)
			case unix.EISCONN: // another thread was told
				return trap.Done(0)
			case unix.EINVAL: // another thread has had the error
				return trap.Fail(unix.ECONNABORTED)
			default:
				return trap.Fail(errno)
			}
		})
	}
	return w.Verdict()
}

// deadlineOf is when a wait under SO_RCVTIMEO or SO_SNDTIMEO ends that begins now;
// zero: never.
func deadlineOf(file int, name int32) time.Time {
	limit, limited := waitLimit(file, name)
	if !limited {
		return time.Time{}
	}
	wait, _ := limit.Duration()
	return time.Now().Add(wait)
}

// plain is an address of the host's without the family it was written in.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
