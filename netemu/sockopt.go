package netemu

import (
	"bytes"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/trap"
)

// optionKey is level and name of a socket option.
type optionKey struct{ level, name int32 }

// option is one row of the option tables. A nil get or set is ENOPROTOOPT.
// Partial says what is missing.
//
// set gets the value as the program passed it. get returns the whole value,
// which is cut to the program's length; its argument is that length.
type option struct {
	name    string
	set     func(s socket, value []byte) unix.Errno
	get     func(s socket, length int) ([]byte, unix.Errno)
	partial string
	// native options are set on the surrogate too, since native calls obey them.
	native bool
}

// maxOption bounds what setsockopt(2) copies in; the longest value that any
// option takes is a page or less.
const maxOption = 4096

// setsockopt is setsockopt(2).
func (e *Emulator) setsockopt(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	if s == nil {
		return trap.Run()
	}
	length := c.Int32(4)
	if length < 0 {
		return trap.Fail(unix.EINVAL)
	}
	value := make([]byte, min(length, maxOption))
	if errno := t.ReadMemory(c.Pointer(3), value); len(value) > 0 && errno != 0 {
		return trap.Fail(errno)
	}
	row, ok := e.option(t, s, c)
	if !ok || row.set == nil {
		return trap.Fail(unix.ENOPROTOOPT)
	}
	if d, ok := s.(*datagram); ok {
		d.flush()
	}
	if errno := row.set(s, value); errno != 0 || !row.native {
		return trap.Fail(errno)
	}
	return trap.Run()
}

// getsockopt is getsockopt(2).
func (e *Emulator) getsockopt(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	if s == nil {
		return trap.Run()
	}
	length, errno := readInt32(t, c.Pointer(4))
	if errno != 0 {
		return trap.Fail(errno)
	}
	if length < 0 {
		return trap.Fail(unix.EINVAL)
	}
	if c.Int32(1) == unix.SOL_SOCKET && c.Int32(2) == unix.SO_ERROR {
		return e.getError(t, c, s, int(length))
	}
	row, ok := e.option(t, s, c)
	if !ok && !levels[c.Int32(1)] {
		return trap.Fail(unix.EOPNOTSUPP)
	}
	if !ok || row.get == nil {
		return trap.Fail(unix.ENOPROTOOPT)
	}
	value, errno := row.get(s, int(length))
	if errno != 0 {
		return trap.Fail(errno)
	}
	return trap.Fail(writeOption(t, c, value, int(length)))
}

func writeOption(t trap.Task, c trap.Call, value []byte, length int) unix.Errno {
	value = value[:min(len(value), length)]
	if len(value) > 0 {
		if errno := t.WriteMemory(c.Pointer(3), value); errno != 0 {
			return errno
		}
	}
	return writeInt32(t, c.Pointer(4), int32(len(value)))
}

// getError is SO_ERROR. A surrogate that shows an error has it itself, until a
// native call has told it: the kernel's own getsockopt takes it off, and what
// that wrote is corrected.
func (e *Emulator) getError(t trap.Task, c trap.Call, s socket, length int) trap.Verdict {
	if d, ok := s.(*datagram); ok {
		d.pull()
	}
	return trap.RunThen(nil, func(t trap.Task, ret int64) trap.Verdict {
		if ret < 0 {
			return passOn(t, ret)
		}
		shown := make([]byte, min(length, abi.SizeofInt))
		if errno := t.ReadMemory(c.Pointer(3), shown); errno != 0 {
			return trap.Fail(errno)
		}
		errno := s.takeError(bytes.ContainsFunc(shown, func(r rune) bool { return r != 0 }))
		return trap.Fail(writeOption(t, c, abi.IntBytes(int32(errno)), length))
	})
}

// option finds the row for the call, and counts what has none.
func (e *Emulator) option(t trap.Task, s socket, c trap.Call) (option, bool) {
	k := optionKey{c.Int32(1), c.Int32(2)}
	if d, ok := s.(*datagram); ok && k.level == unix.SOL_NETLINK {
		if n, ok := d.tr.(*netlinkTransport); ok {
			return n.option(int(k.name)), true
		}
	}
	row, ok := options[k]
	if !ok {
		e.ledger.count(t, "socket option", k)
	}
	return row, ok
}

// withEndpoint makes a setter of what works on an endpoint.
func withEndpoint(s socket, f func(*stack.Endpoint) unix.Errno) unix.Errno {
	ep := s.endpoint()
	if ep == nil {
		return unix.ENOPROTOOPT
	}
	return f(ep)
}

// timeout decodes SO_RCVTIMEO or SO_SNDTIMEO: zero is none.
func timeout(value []byte) (time.Duration, unix.Errno) {
	tv, errno := abi.ParseTimeval(value)
	if errno != 0 {
		return 0, errno
	}
	if tv.Usec < 0 || tv.Usec >= 1e6 {
		return 0, unix.EDOM
	}
	if tv.Sec < 0 || tv.Sec == 0 && tv.Usec == 0 {
		return -1, 0
	}
	d, errno := tv.Duration()
	return d, errno
}
