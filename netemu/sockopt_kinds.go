package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// The forms that rows of the option tables share.

// flag is an option that netstack keeps as on or off; a socket without an
// endpoint only tells it back.
func flag(name string, o stack.BoolOption) option {
	return option{
		name: name,
		setInt: func(s socket, v int32) unix.Errno {
			if s.endpoint() == nil {
				s.memo().put(name, int64(oneIf(v != 0)))
				return 0
			}
			return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetBool(o, v != 0) })
		},
		getInt: func(s socket) (int32, unix.Errno) {
			ep := s.endpoint()
			if ep == nil {
				return int32(s.memo().get(name, 0)), 0
			}
			on, errno := ep.GetBool(o)
			return oneIf(on), errno
		},
	}
}

// zeroOrOne is a flag that takes no other values.
func zeroOrOne(o option) option {
	set := o.setInt
	o.setInt = func(s socket, v int32) unix.Errno {
		if v != 0 && v != 1 {
			return unix.EINVAL
		}
		return set(s, v)
	}
	return o
}

func oneIf(on bool) int32 {
	if on {
		return 1
	}
	return 0
}

// number is an option that netstack keeps as a number between least and most.
func number(name string, o stack.IntOption, least, most int32) option {
	return option{
		name: name,
		setInt: func(s socket, v int32) unix.Errno {
			if v < least || v > most {
				return unix.EINVAL
			}
			return setNumber(s, o, v)
		},
		getInt: func(s socket) (int32, unix.Errno) { return getNumber(s, o) },
	}
}

func setNumber(s socket, o stack.IntOption, v int32) unix.Errno {
	return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetInt(o, int(v)) })
}

func getNumber(s socket, o stack.IntOption) (int32, unix.Errno) {
	ep := s.endpoint()
	if ep == nil {
		return 0, unix.ENOPROTOOPT
	}
	v, errno := ep.GetInt(o)
	return int32(v), errno
}

// fixed is an option that can be read only.
func fixed(name string, get func(s socket) int) option {
	return option{name: name, getInt: func(s socket) (int32, unix.Errno) { return int32(get(s)), 0 }}
}

// native is a C int that the kernel keeps on the surrogate.
func native(name, partial string) option {
	return option{name: name, partial: partial, native: true, size: abi.SizeofInt}
}

// remembered is an option that changes nothing in the sandbox: a value between
// least and most is told back, as a kernel does whose hardware ignores it.
func remembered(name, partial string, initial, least, most int32) option {
	return option{
		name: name, partial: partial,
		setInt: func(s socket, v int32) unix.Errno {
			if v < least || v > most {
				return unix.EINVAL
			}
			s.memo().put(name, int64(v))
			return 0
		},
		getInt: recall(name, initial),
	}
}

// recall tells what was put in the memo.
func recall(name string, initial int32) func(socket) (int32, unix.Errno) {
	return func(s socket) (int32, unix.Errno) { return int32(s.memo().get(name, int64(initial))), 0 }
}

// rememberedFlag is a remembered option that any value but 0 switches on.
func rememberedFlag(name, partial string, initial int32) option {
	return option{
		name: name, partial: partial,
		setInt: func(s socket, v int32) unix.Errno {
			s.memo().put(name, int64(oneIf(v != 0)))
			return 0
		},
		getInt: recall(name, initial),
	}
}

// off is an option that cannot be switched on: errno is what that gives.
func off(name, partial string, errno unix.Errno) option {
	return option{
		name: name, partial: partial,
		setInt: func(_ socket, v int32) unix.Errno {
			if v != 0 {
				return errno
			}
			return 0
		},
		getInt: func(socket) (int32, unix.Errno) { return 0, 0 },
	}
}

// refused is an option that can neither be set nor read.
func refused(name, partial string, errno unix.Errno) option {
	return onlyEver(func(socket) unix.Errno { return errno }, option{name: name, partial: partial})
}

// empty gets a value of no bytes.
func empty(socket, int) ([]byte, unix.Errno) { return nil, 0 }

// want is an option that asks for control messages with received datagrams;
// netstack is told as well, if it has to look.
func want(name string, field func(*wanted) *bool, o ...stack.BoolOption) option {
	return option{
		name:    name,
		partial: "streams have no control messages, and only tell it back",
		setInt: func(s socket, v int32) unix.Errno {
			d, ok := s.(*datagram)
			if !ok {
				s.memo().put(name, int64(oneIf(v != 0)))
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
		getInt: func(s socket) (int32, unix.Errno) {
			d, ok := s.(*datagram)
			if !ok {
				return int32(s.memo().get(name, 0)), 0
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			return oneIf(*field(&d.want)), 0
		},
	}
}

// atLeast is a row that takes no value shorter than n bytes.
func atLeast(n int, o option) option {
	o.least = n
	return o
}

// only is a row that cannot be set where deny has an errno.
func only(deny func(socket) unix.Errno, o option) option {
	o.deny = deny
	return o
}

// late is a row that looks at the length before deny.
func late(deny func(socket) unix.Errno, o option) option {
	o.deny, o.denyLate = deny, true
	return o
}

// onlyEver is a row that cannot be read there either.
func onlyEver(deny func(socket) unix.Errno, o option) option {
	o.deny, o.denyGet = deny, deny
	return o
}

// notOnStreams and onRaw are reasons to deny an option.
func notOnStreams(errno unix.Errno) func(socket) unix.Errno {
	return func(s socket) unix.Errno {
		if s.id().typ == unix.SOCK_STREAM {
			return errno
		}
		return 0
	}
}

func onRaw(s socket) unix.Errno {
	if s.id().typ != unix.SOCK_RAW {
		return unix.ENOPROTOOPT
	}
	return 0
}
