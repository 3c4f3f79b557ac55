package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// The forms that rows of the option tables share.

// flag is an option that netstack keeps as on or off.
func flag(name string, o stack.BoolOption) option {
	return option{
		name: name,
		set: func(s socket, value []byte) unix.Errno {
			v, errno := abi.ParseIntOrByte(value)
			if errno != 0 {
				return errno
			}
			return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetBool(o, v != 0) })
		},
		get: func(s socket, _ int) ([]byte, unix.Errno) {
			var on bool
			errno := withEndpoint(s, func(ep *stack.Endpoint) (errno unix.Errno) {
				on, errno = ep.GetBool(o)
				return errno
			})
			return intBool(on), errno
		},
	}
}

func intBool(on bool) []byte {
	if on {
		return abi.IntBytes(1)
	}
	return abi.IntBytes(0)
}

// number is an option that netstack keeps as a number between least and most.
func number(name string, o stack.IntOption, least, most int32) option {
	return option{
		name: name,
		set: func(s socket, value []byte) unix.Errno {
			v, errno := abi.ParseIntOrByte(value)
			if errno != 0 {
				return errno
			}
			if v < least || v > most {
				return unix.EINVAL
			}
			return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetInt(o, int(v)) })
		},
		get: func(s socket, _ int) ([]byte, unix.Errno) {
			var v int
			errno := withEndpoint(s, func(ep *stack.Endpoint) (errno unix.Errno) {
				v, errno = ep.GetInt(o)
				return errno
			})
			return abi.IntBytes(int32(v)), errno
		},
	}
}

// fixed is an option that can be read only, as an int.
func fixed(name string, get func(s socket) int) option {
	return option{name: name, get: func(s socket, _ int) ([]byte, unix.Errno) {
		return abi.IntBytes(int32(get(s))), 0
	}}
}

// remembered is an option that changes nothing in the sandbox: what was set is
// told back, as a kernel does whose hardware ignores it.
func remembered(name, partial string, initial int32) option {
	return option{
		name: name, partial: partial,
		set: func(s socket, value []byte) unix.Errno {
			v, errno := abi.ParseIntOrByte(value)
			if errno == 0 {
				s.memo().put(name, int64(v))
			}
			return errno
		},
		get: func(s socket, _ int) ([]byte, unix.Errno) {
			return abi.IntBytes(int32(s.memo().get(name, int64(initial)))), 0
		},
	}
}

// rememberedFlag is the same for an option that is on or off.
func rememberedFlag(name, partial string, initial int32) option {
	row := remembered(name, partial, initial)
	set := row.set
	row.set = func(s socket, value []byte) unix.Errno {
		v, errno := abi.ParseIntOrByte(value)
		if errno != 0 {
			return errno
		}
		return set(s, intBool(v != 0))
	}
	return row
}

// want is an option that asks for control messages with received datagrams;
// netstack is told as well, if it has to look.
func want(name string, field func(*wanted) *bool, o ...stack.BoolOption) option {
	return option{
		name: name,
		set: func(s socket, value []byte) unix.Errno {
			v, errno := abi.ParseIntOrByte(value)
			if errno != 0 {
				return errno
			}
			d, ok := s.(*datagram)
			if !ok {
				// Streams have no control messages of their own; the flag is kept.
				s.memo().put(name, int64(v))
				return 0
			}
			d.mu.Lock()
			*field(&d.want) = v != 0
			d.mu.Unlock()
			for _, o := range o {
				if errno := withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetBool(o, v != 0) }); errno != 0 {
					return errno
				}
			}
			return 0
		},
		get: func(s socket, _ int) ([]byte, unix.Errno) {
			d, ok := s.(*datagram)
			if !ok {
				return abi.IntBytes(int32(s.memo().get(name, 0))), 0
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			return intBool(*field(&d.want)), 0
		},
	}
}
