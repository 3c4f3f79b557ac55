package netemu

import (
	"fmt"
	"path"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/trap"
)

// Where there are direct sockets, a call that was judged by its descriptor and handed
// to the kernel could meet one of them: another thread may put it at that number in
// between (dup2(2)). So of what the kernel is handed nothing may be of use on a socket
// of the host's. Calls on AF_UNIX sockets, too: connect(2), listen(2) and
// options are made on a copy of the descriptor that was looked at; sends carry a flag.
// bind(2) of a name has to be the task's own (docs/limits.md).

// harmless lets the kernel run a send, such that nothing leaves by a UDP socket: with
// MSG_PROBE it makes no packet (ip_make_skb, ip6_make_skb), of which TCP and AF_UNIX
// take no notice. A sendto(2) loses its address where that is of no use.
func harmless(c trap.Call) trap.Verdict {
	args := c.Args
	switch c.NR {
	case unix.SYS_SENDMSG:
		args[2] |= unix.MSG_PROXY // MSG_PROBE
	case unix.SYS_SENDMMSG:
		args[3] |= unix.MSG_PROXY
	default:
		args[4], args[5] = 0, 0
	}
	return (&trap.Native{Args: &args}).Verdict()
}

// runSend lets the kernel run a send on a socket that is none of ours.
func (e *Emulator) runSend(c trap.Call) trap.Verdict {
	switch {
	case e.outside.Outside == nil:
		return trap.Run()
	case c.NR == unix.SYS_SENDTO && c.Pointer(4) != 0:
		args := c.Args
		args[3] |= unix.MSG_PROXY
		return (&trap.Native{Args: &args}).Verdict()
	case c.NR == unix.SYS_SENDTO:
		return trap.Run()
	}
	return harmless(c)
}

// exposed are the calls that could lead out by a socket of the host's.
var exposed = map[int]bool{
	unix.SYS_BIND: true, unix.SYS_CONNECT: true, unix.SYS_LISTEN: true, unix.SYS_SETSOCKOPT: true,
	unix.SYS_SENDTO: true, unix.SYS_SENDMSG: true, unix.SYS_SENDMMSG: true,
}

// unsettled is the errno of such a call on what is no socket; the kernel might find
// one there. Its address must be there, too.
func (e *Emulator) unsettled(t trap.Task, c trap.Call) unix.Errno {
	if !exposed[c.NR] {
		return 0
	}
	_, errno := t.Inode(c.Int32(0))
	if errno == 0 && (c.NR == unix.SYS_BIND || c.NR == unix.SYS_CONNECT) {
		_, errno = copyAddress(t, c.Pointer(1), c.Int32(2))
	}
	return errno
}

// onUnix makes a call on a copy of an AF_UNIX socket.
func onUnix(fd int32, call func(t trap.Task, file int) unix.Errno) trap.Verdict {
	l := &trap.Lend{FD: fd, Then: func(t trap.Task, file int) trap.Verdict {
		if domain, err := unix.GetsockoptInt(file, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain != unix.AF_UNIX {
			return trap.Fail(unix.EACCES) // it was another when it was looked at
		}
		return trap.Fail(call(t, file))
	}}
	return l.Verdict()
}

// connectUnix is connect(2) of an AF_UNIX socket to an address that the task may
// reach. A path is the task's: of its root and working directory.
func connectUnix(t trap.Task, fd int32, raw []byte) trap.Verdict {
	return onUnix(fd, func(t trap.Task, file int) unix.Errno {
		name := unixPath(raw)
		if name == "" || name[0] == 0 {
			return connectNow(file, raw)
		}
		base := fmt.Sprintf("/proc/%d/cwd/", t.TID())
		if path.IsAbs(name) {
			base = fmt.Sprintf("/proc/%d/root", t.TID())
		}
		dir, err := unix.Open(base+path.Dir(name), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return toErrno(err)
		}
		defer unix.Close(dir)
		short := fmt.Sprintf("/proc/self/fd/%d/%s", dir, path.Base(name))
		if len(short) > len(unix.RawSockaddrUnix{}.Path) {
			return unix.ENAMETOOLONG
		}
		return connectNow(file, append(raw[:2:2], short...))
	})
}

// connectNow is connect(2) without waiting: EAGAIN if the listener's queue is full.
func connectNow(file int, raw []byte) unix.Errno {
	flags := fileFlags(file)
	setFileFlags(file, flags|unix.O_NONBLOCK)
	defer setFileFlags(file, flags)
	return connectFile(file, raw)
}

// refuseForeign makes bind(2) or connect(2) with an address that is no AF_UNIX one on
// an AF_UNIX socket, for the kernel's errno; EACCES on any other. connect(2) may
// dissolve an association so.
func refuseForeign(nr uintptr, fd int32, raw []byte) trap.Verdict {
	return onUnix(fd, func(_ trap.Task, file int) unix.Errno {
		_, _, errno := unix.RawSyscall(nr, uintptr(file), uintptr(unsafe.Pointer(unsafe.SliceData(raw))), uintptr(len(raw)))
		return errno
	})
}

// listenNative is listen(2) of a socket that is none of ours.
func (e *Emulator) listenNative(c trap.Call) trap.Verdict {
	if e.outside.Outside == nil {
		return trap.Run()
	}
	return onUnix(c.Int32(0), func(_ trap.Task, file int) unix.Errno {
		_, _, errno := unix.RawSyscall(unix.SYS_LISTEN, uintptr(file), uintptr(c.Args[1]), 0)
		return errno
	})
}

// setNativeOption is setsockopt(2) of a socket that is none of ours.
func (e *Emulator) setNativeOption(t trap.Task, c trap.Call) trap.Verdict {
	k := optionKey{c.Int32(1), c.Int32(2)}
	if e.outside.Outside == nil || isDirect(k) {
		return trap.Run()
	}
	a := argument{t: t, addr: c.Pointer(3), length: int(c.Int32(4))}
	if a.length < 0 {
		return trap.Fail(unix.EINVAL)
	}
	value, errno := a.bytes(0)
	if errno != 0 {
		return trap.Fail(errno)
	}
	return onUnix(c.Int32(0), func(_ trap.Task, file int) unix.Errno {
		return toErrno(unix.SetsockoptString(file, int(k.level), int(k.name), string(value)))
	})
}
