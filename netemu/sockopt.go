package netemu

import (
	"bytes"
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/trap"
)

// optionKey is level and name of a socket option.
type optionKey struct{ level, name int32 }

// String is for the ledger, by the numbers that setsockopt(2) takes.
func (k optionKey) String() string { return fmt.Sprintf("level %d, option %d", k.level, k.name) }

// option is one row of the option tables. Its value is a C int, with setInt and
// getInt, or bytes, with set and get; what is nil is ENOPROTOOPT. Partial says
// what is missing.
type option struct {
	name   string
	setInt func(s socket, v int32) unix.Errno
	getInt func(s socket) (int32, unix.Errno)
	// set gets at most size bytes (0: maxOption) of what the program passed.
	set  func(s socket, value []byte) unix.Errno
	size int
	// get returns the whole value, which is cut to length, the program's.
	get func(s socket, length int) ([]byte, unix.Errno)
	// take is set for a value that points into the program's memory, and answer
	// is getsockopt(2) where what the program passed says what is asked.
	take   func(t trap.Task, s socket, value []byte) unix.Errno
	answer func(t trap.Task, c trap.Call, s socket, length int) unix.Errno
	// deny says why a socket cannot have the option set, denyGet why not read.
	deny, denyGet func(s socket) unix.Errno
	// denyLate rows look at the length before deny.
	denyLate bool
	// least and most bound the length of a value that can be set, in bytes;
	// outside: EINVAL. 0 is no bound.
	least, most int
	// huge rows are ENOBUFS for a value above net.core.optmem_max.
	huge bool
	// short rows take a value shorter than their level's least for 0.
	short bool
	// unchecked rows are without the level's first look at the value.
	unchecked bool
	// native rows are the kernel's, which checks and keeps the value on the
	// surrogate by the code that every family shares (sk_setsockopt). A setter
	// is called after that, and a getter goes before the kernel's.
	native bool
	// cloned rows are set again on an accepted connection.
	cloned  bool
	partial string
}

// maxOption bounds what setsockopt(2) copies in; the longest value that any
// option takes is a page or less.
const maxOption = 4096

// setsockopt is setsockopt(2).
func (e *Emulator) setsockopt(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	if s == nil {
		return e.setNativeOption(t, c)
	}
	a := argument{t: t, addr: c.Pointer(3), length: int(c.Int32(4))}
	if a.length < 0 {
		return trap.Fail(unix.EINVAL)
	}
	k := optionKey{c.Int32(1), c.Int32(2)}
	l := levelOf(s, k.level)
	if l == nil {
		e.countLevel(t, s, k)
		return trap.Fail(unix.ENOPROTOOPT)
	}
	row, ok := l.row(s, k.name)
	if !ok {
		e.ledger.count(t, "socket option", k)
	}
	if d, ok := s.(*datagram); ok {
		d.calledBy(t)
	}
	if row.native {
		return setNative(s, k, row, a)
	}
	value, errno := l.copyIn(s, row, ok, a)
	if errno != 0 {
		return trap.Fail(errno)
	}
	if row.take != nil {
		return trap.Fail(row.take(t, s, value))
	}
	return trap.Fail(apply(s, k, row, value))
}

// countLevel notes an option of a level that the socket does not have. That an
// IPv4 socket has none of IPv6 is Linux's answer too; programs that serve both
// families ask.
func (e *Emulator) countLevel(t trap.Task, s socket, k optionKey) {
	if k.level != unix.IPPROTO_IPV6 || s.id().family != unix.AF_INET {
		e.ledger.count(t, "socket option", k)
	}
}

// setNative lets the kernel set an option of the surrogate, and hears of it.
func setNative(s socket, k optionKey, row option, a argument) trap.Verdict {
	value, errno := a.bytes(row.size) // the kernel says what is wrong with it
	if errno == 0 && len(value) >= abi.SizeofInt && row.deny != nil && row.deny(s) != 0 {
		return trap.Fail(row.deny(s))
	}
	return trap.RunThen(nil, func(t trap.Task, ret int64) trap.Verdict {
		if ret < 0 {
			return passOn(t, ret)
		}
		return trap.Fail(apply(s, k, row, value))
	})
}

// apply sets a value that was copied in.
func apply(s socket, k optionKey, row option, value []byte) unix.Errno {
	errno := row.apply(s, value)
	if st, ok := s.(*stream); ok && errno == 0 {
		s.memo().record(k, value)
		if short := st.shortcut(); short != nil {
			passOption(short, k, value)
		}
	}
	return errno
}

func (o option) apply(s socket, value []byte) unix.Errno {
	switch {
	case o.set != nil:
		return o.set(s, value)
	case o.setInt != nil:
		v, errno := abi.ParseInt(value)
		if errno != 0 {
			return errno
		}
		return o.setInt(s, v)
	case o.native:
		return 0
	}
	return unix.ENOPROTOOPT
}

// getsockopt is getsockopt(2).
func (e *Emulator) getsockopt(t trap.Task, c trap.Call) trap.Verdict {
	s := e.find(t, c.Int32(0))
	if s == nil {
		return trap.Run()
	}
	k := optionKey{c.Int32(1), c.Int32(2)}
	l := levelOf(s, k.level)
	if l == nil {
		e.countLevel(t, s, k)
		return trap.Fail(noLevel(s))
	}
	length, errno := readInt32(t, c.Pointer(4))
	switch {
	case errno != 0:
		return trap.Fail(errno)
	case length < 0 && !l.unsigned:
		return trap.Fail(unix.EINVAL)
	case length < 0:
		length = math.MaxInt32
	}
	if k == (optionKey{unix.SOL_SOCKET, unix.SO_ERROR}) {
		return e.getError(t, c, s, int(length))
	}
	row, ok := l.row(s, k.name)
	if !ok {
		e.ledger.count(t, "socket option", k)
	}
	switch {
	case row.answer != nil:
		return trap.Fail(row.answer(t, c, s, int(length)))
	case row.native && row.get == nil && row.getInt == nil:
		return getNative(s, row)
	}
	value, errno := l.value(s, row, int(length))
	if errno != 0 {
		return trap.Fail(errno)
	}
	return trap.Fail(tellOption(t, c, value, int(length)))
}

// getNative lets the kernel tell an option of the surrogate.
func getNative(s socket, row option) trap.Verdict {
	if row.denyGet != nil && row.denyGet(s) != 0 {
		return trap.Fail(row.denyGet(s))
	}
	return trap.Run()
}

// tellOption writes the value and its length. Every level but SOL_SOCKET stores
// the length first.
func tellOption(t trap.Task, c trap.Call, value []byte, length int) unix.Errno {
	if c.Int32(1) != unix.SOL_SOCKET {
		if errno := writeInt32(t, c.Pointer(4), int32(min(len(value), length))); errno != 0 {
			return errno
		}
	}
	return writeOption(t, c, value, length)
}

// noLevel is getsockopt(2) of a level that there is not (do_ip_getsockopt).
func noLevel(s socket) unix.Errno {
	if s.id().family == unix.AF_INET {
		return unix.EOPNOTSUPP
	}
	return unix.ENOPROTOOPT
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
	st, stream := s.(*stream)
	pending := !stream || st.errorPending()
	return trap.RunThen(nil, func(t trap.Task, ret int64) trap.Verdict {
		if ret < 0 {
			return passOn(t, ret)
		}
		shown := make([]byte, min(length, abi.SizeofInt))
		if errno := t.ReadMemory(c.Pointer(3), shown); len(shown) > 0 && errno != 0 {
			return trap.Fail(errno)
		}
		told := bytes.ContainsFunc(shown, func(r rune) bool { return r != 0 })
		if !told && !pending {
			// What has failed since the kernel looked is for the next call.
			return trap.Fail(writeOption(t, c, abi.IntBytes(0), length))
		}
		errno := s.takeError(told)
		return trap.Fail(writeOption(t, c, abi.IntBytes(int32(errno)), length))
	})
}

// withEndpoint makes a setter of what works on an endpoint.
func withEndpoint(s socket, f func(*stack.Endpoint) unix.Errno) unix.Errno {
	ep := s.endpoint()
	if ep == nil {
		return unix.ENOPROTOOPT
	}
	return f(ep)
}
