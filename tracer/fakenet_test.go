package tracer_test

import (
	"encoding/binary"
	"sync"
	"time"

	"netbox/tracer"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// fakeNet is an emulation without a network: a socket is one end of a pair,
// and the program orders what happens at the other (testdata/cases.c).
type fakeNet struct {
	mu     sync.Mutex
	pairs  map[uint64]*pair
	timers sync.WaitGroup
	exited []int
}

type pair struct {
	ours    int
	timeout time.Duration
	badThen bool
}

func newFakeNet() *fakeNet { return &fakeNet{pairs: map[uint64]*pair{}} }

// close waits for the timers and lets go of every pair.
func (f *fakeNet) close() {
	f.timers.Wait()
	for _, p := range f.pairs {
		unix.Close(p.ours)
	}
}

const (
	orderLevel = 77

	orderTimeout = 1
	orderByte    = 2
	orderRights  = 3
	orderPutAt   = 4
	orderHangUp  = 5
	orderBadThen = 6
)

// make makes a pair and returns the program's end.
func (f *fakeNet) make() (int, unix.Errno) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err.(unix.Errno)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fds[1], &st); err != nil {
		return -1, err.(unix.Errno)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pairs[st.Ino] = &pair{ours: fds[0], timeout: -1}
	return fds[1], 0
}

// sweep closes the pairs whose program ends are gone.
func (f *fakeNet) sweep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ino, p := range f.pairs {
		poll := []unix.PollFd{{Fd: int32(p.ours)}}
		if n, _ := unix.Poll(poll, 0); n == 1 && poll[0].Revents&unix.POLLHUP != 0 {
			unix.Close(p.ours)
			delete(f.pairs, ino)
		}
	}
}

func (f *fakeNet) ProcessExited(pid int) {
	f.exited = append(f.exited, pid)
	f.sweep()
}

func (f *fakeNet) Handle(t trap.Task, c trap.Call) trap.Verdict {
	if c.NR == unix.SYS_SOCKET {
		if c.Int32(0) != unix.AF_INET {
			return trap.Fail(unix.EAFNOSUPPORT)
		}
		return f.install(-1, c.Args[1]&unix.SOCK_CLOEXEC != 0)
	}
	if c.NR == unix.SYS_IOCTL {
		return trap.Fail(unix.EPFNOSUPPORT)
	}
	ino, e := t.Inode(c.Int32(0))
	if e != 0 {
		return trap.Run() // of no socket: opens, too
	}
	f.mu.Lock()
	p := f.pairs[ino]
	f.mu.Unlock()
	if p == nil {
		return trap.Run()
	}
	switch c.NR {
	case unix.SYS_GETSOCKNAME:
		return name(t, c)
	case unix.SYS_GETPEERNAME:
		if engine() == tracer.Debuggable {
			return trap.Fail(unix.EFAULT) // no emulation changes arguments of other calls than those with a stream's bytes
		}
		args := c.Args
		args[1], args[2] = 1, 1 // EFAULT
		return trap.RunThen(&args, nil)
	case unix.SYS_BIND:
		return trap.Fail(unix.EADDRINUSE)
	case unix.SYS_SHUTDOWN:
		return trap.RunThen(nil, func(_ trap.Task, ret int64) trap.Verdict { return trap.Done(ret + 1007) })
	case unix.SYS_CONNECT:
		return (&trap.Wait{FD: c.Int32(0), Events: unix.POLLIN, Timeout: p.timeout, Again: func(_ trap.Task, ready bool) trap.Verdict {
			if !ready {
				return trap.Fail(unix.ETIMEDOUT)
			}
			return trap.Done(0)
		}}).Verdict()
	case unix.SYS_ACCEPT:
		return accept(p, c)
	case unix.SYS_ACCEPT4:
		return acceptGated(ino, c)
	case unix.SYS_SETSOCKOPT:
		if c.Args[1] != orderLevel {
			return trap.Run()
		}
		return f.order(t, p, c)
	}
	return trap.Done(0)
}

func (f *fakeNet) install(at int32, cloexec bool) trap.Verdict {
	f.sweep()
	fd, e := f.make()
	if e != 0 {
		return trap.Fail(e)
	}
	return (&trap.Install{File: fd, At: at, CloseOnExec: cloexec}).Verdict()
}

// name stores 10.0.2.100:4242.
func name(t trap.Task, c trap.Call) trap.Verdict {
	if e := t.WriteMemory(c.Pointer(1), []byte{unix.AF_INET, 0, 4242 >> 8, 4242 & 0xff, 10, 0, 2, 100, 0, 0, 0, 0, 0, 0, 0, 0}); e != 0 {
		return trap.Fail(e)
	}
	return trap.Fail(t.WriteMemory(c.Pointer(2), []byte{16, 0, 0, 0}))
}

func accept(p *pair, c trap.Call) trap.Verdict {
	return (&trap.Receive{FD: c.Int32(0), Rights: true, Then: func(_ trap.Task, n int64, flags int, fd int32) trap.Verdict {
		switch {
		case n < 0:
			return trap.Fail(unix.Errno(-n))
		case fd < 0 && flags&unix.MSG_CTRUNC != 0:
			return trap.Fail(unix.EMFILE)
		case p.badThen:
			return trap.Fail(unix.EFAULT)
		}
		return trap.Done(int64(fd))
	}}).Verdict()
}

// acceptGated never blocks in the receive, but waits in between.
func acceptGated(ino uint64, c trap.Call) trap.Verdict {
	return (&trap.Receive{FD: c.Int32(0), Rights: true, CloseOnExec: true, Flags: unix.MSG_DONTWAIT, Gate: ino,
		Then: func(_ trap.Task, n int64, _ int, fd int32) trap.Verdict {
			if n == -int64(unix.EAGAIN) {
				return (&trap.Wait{FD: c.Int32(0), Events: unix.POLLIN, Timeout: -1, Again: func(trap.Task, bool) trap.Verdict {
					return acceptGated(ino, c)
				}}).Verdict()
			}
			if n < 0 {
				return trap.Fail(unix.Errno(-n))
			}
			return trap.Done(int64(fd))
		}}).Verdict()
}

func (f *fakeNet) order(t trap.Task, p *pair, c trap.Call) trap.Verdict {
	var b [4]byte
	if e := t.ReadMemory(c.Pointer(3), b[:]); e != 0 {
		return trap.Fail(unix.ENOPROTOOPT)
	}
	arg := int(binary.LittleEndian.Uint32(b[:]))
	in := time.Duration(arg) * time.Millisecond
	switch c.Args[2] {
	case orderTimeout:
		p.timeout = in
	case orderByte:
		f.after(in, func() { unix.Sendto(p.ours, []byte("x"), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil) })
	case orderRights:
		fd, e := f.make()
		if e != 0 {
			return trap.Fail(e)
		}
		send := func() error {
			defer unix.Close(fd)
			return unix.Sendmsg(p.ours, []byte("x"), unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		}
		if in == 0 {
			if err := send(); err != nil {
				return trap.Fail(err.(unix.Errno))
			}
			return trap.Done(0)
		}
		f.after(in, func() { send() })
	case orderPutAt:
		return f.install(int32(arg), true)
	case orderBadThen:
		p.badThen = true
	}
	return trap.Done(0)
}

func (f *fakeNet) after(d time.Duration, do func()) {
	if d == 0 {
		do()
		return
	}
	f.timers.Add(1)
	time.AfterFunc(d, func() { defer f.timers.Done(); do() })
}
