package netemu

import (
	"bytes"
	"log/slog"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netlink"
	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
	"netbox/trap"
)

// optionTask is a task in this process: its descriptors are ours, so that the
// kernel's part of a native option is really done, and its memory is a page.
type optionTask struct {
	e   *Emulator
	mem [4096]byte
}

const optionMemory = 0x10000

func (o *optionTask) TID() int     { return 1 }
func (o *optionTask) PID() int     { return 1 }
func (o *optionTask) Name() string { return "sockopt_test" }

func (o *optionTask) at(addr uint64, n int) []byte {
	if addr < optionMemory || addr+uint64(n) > optionMemory+uint64(len(o.mem)) {
		return nil
	}
	return o.mem[addr-optionMemory:][:n]
}

func (o *optionTask) ReadMemory(addr uint64, p []byte) unix.Errno {
	m := o.at(addr, len(p))
	if m == nil {
		return unix.EFAULT
	}
	copy(p, m)
	return 0
}

func (o *optionTask) WriteMemory(addr uint64, p []byte) unix.Errno {
	m := o.at(addr, len(p))
	if m == nil {
		return unix.EFAULT
	}
	copy(m, p)
	return 0
}

func (o *optionTask) ReadPath(uint64) ([]byte, unix.Errno) { return nil, unix.EFAULT }

func (o *optionTask) Path(int32) ([]byte, unix.Errno) { return nil, unix.EBADF }

func (o *optionTask) Inode(fd int32) (uint64, unix.Errno) {
	var st unix.Stat_t
	if unix.Fstat(int(fd), &st) != nil {
		return 0, unix.EBADF
	}
	return st.Ino, 0
}

func (o *optionTask) Borrow(int32) (int, unix.Errno) { return -1, unix.EPERM }

func (o *optionTask) Protocol(int32) (string, unix.Errno) { return "", unix.EOPNOTSUPP }

func (o *optionTask) CloseOnExec(int32) (bool, unix.Errno) { return false, 0 }
func (o *optionTask) StatusFlags(int32) (int, unix.Errno)  { return unix.O_NONBLOCK, 0 }

func newOptionTask(t *testing.T) *optionTask {
	t.Helper()
	host, err := stack.NewHost(stack.HostConfig{})
	if err != nil {
		t.Fatal(err)
	}
	e := New(Config{Stack: host, Netlink: netlink.NewServer(rtnl.New(host)), Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { e.Close(); host.Close() })
	return &optionTask{e: e}
}

// do makes a call and takes its verdict to the end.
func (o *optionTask) do(t *testing.T, nr int, args ...uint64) (int64, unix.Errno) {
	t.Helper()
	c := trap.Call{NR: nr}
	copy(c.Args[:], args)
	v := o.e.Handle(o, c)
	switch v.Kind {
	case trap.KindInstall:
		i := v.Install
		fd := int32(i.File)
		if i.At >= 0 {
			if err := unix.Dup3(i.File, int(i.At), 0); err != nil {
				t.Fatal(err)
			}
			unix.Close(i.File)
			fd = i.At
		}
		if i.Then == nil {
			return int64(fd), 0
		}
		v = i.Then(o, fd)
	case trap.KindNative:
		ret := o.native(c)
		if v.Native == nil || v.Native.Then == nil {
			return ret, unix.Errno(max(0, -ret))
		}
		v = v.Native.Then(o, ret)
	case trap.KindReceive:
		_, _, err := unix.Recvfrom(int(v.Receive.FD), make([]byte, 1), v.Receive.Flags)
		errno, _ := err.(unix.Errno)
		v = v.Receive.Then(o, -int64(errno), 0, -1)
	}
	if v.Kind != trap.KindDone && v.Kind != trap.KindFail {
		t.Fatalf("call %v: verdict %+v", c, v)
	}
	return v.Value, v.Errno
}

// native runs getsockopt or setsockopt in this process, on the page.
func (o *optionTask) native(c trap.Call) int64 {
	pointer := func(addr uint64) unsafe.Pointer {
		if m := o.at(addr, 1); m != nil {
			return unsafe.Pointer(&m[0])
		}
		return nil
	}
	last := c.Args[4]
	var errno unix.Errno
	if c.NR == unix.SYS_GETSOCKOPT {
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(c.Args[0]), uintptr(c.Args[1]), uintptr(c.Args[2]), uintptr(pointer(c.Args[3])), uintptr(pointer(last)), 0)
	} else {
		_, _, errno = unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(c.Args[0]), uintptr(c.Args[1]), uintptr(c.Args[2]), uintptr(pointer(c.Args[3])), uintptr(last), 0)
	}
	return -int64(errno)
}

// The places of a value and of its length in the page.
const (
	optionValue  = optionMemory
	optionLength = optionMemory + 512
)

// emulated is a socket of the sandbox.
type emulated struct {
	task *optionTask
	fd   int64
}

func (s emulated) set(t *testing.T, k optionKey, value []byte) unix.Errno {
	copy(s.task.mem[:], value)
	_, errno := s.task.do(t, unix.SYS_SETSOCKOPT, uint64(s.fd), uint64(k.level), uint64(k.name), optionValue, uint64(len(value)))
	return errno
}

func (s emulated) get(t *testing.T, k optionKey, length int) ([]byte, unix.Errno) {
	clear(s.task.mem[:512])
	s.task.WriteMemory(optionLength, abi.IntBytes(int32(length)))
	_, errno := s.task.do(t, unix.SYS_GETSOCKOPT, uint64(s.fd), uint64(k.level), uint64(k.name), optionValue, optionLength)
	n, _ := abi.ParseInt(s.task.at(optionLength, abi.SizeofInt))
	return bytes.Clone(s.task.mem[:max(n, 0)]), errno
}

// kernel is a socket of Linux itself, which sends nothing.
type kernel struct {
	page *optionTask
	fd   int
}

func (s kernel) call(nr int, k optionKey, last uint64) unix.Errno {
	return unix.Errno(-s.page.native(trap.Call{NR: nr, Args: [6]uint64{uint64(s.fd), uint64(k.level), uint64(k.name), optionValue, last}}))
}

func (s kernel) set(_ *testing.T, k optionKey, value []byte) unix.Errno {
	copy(s.page.mem[:], value)
	return s.call(unix.SYS_SETSOCKOPT, k, uint64(len(value)))
}

func (s kernel) get(_ *testing.T, k optionKey, length int) ([]byte, unix.Errno) {
	clear(s.page.mem[:512])
	s.page.WriteMemory(optionLength, abi.IntBytes(int32(length)))
	errno := s.call(unix.SYS_GETSOCKOPT, k, optionLength)
	n, _ := abi.ParseInt(s.page.at(optionLength, abi.SizeofInt))
	return bytes.Clone(s.page.mem[:max(n, 0)]), errno
}
