package netemu

import (
	"encoding/binary"
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/netlink"
	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
	"netbox/trap"
)

// arena is a task whose memory is one page at arenaBase and whose descriptors
// are what was installed: enough for an engine that runs verdicts without a
// kernel.
type arena struct {
	mem    [4096]byte
	inodes map[int32]uint64
	flags  int
	files  []int
}

const arenaBase = 0x10000

func (a *arena) TID() int     { return 1 }
func (a *arena) PID() int     { return 1 }
func (a *arena) Name() string { return "arena" }

func (a *arena) ReadMemory(addr uint64, p []byte) unix.Errno {
	if addr < arenaBase || addr+uint64(len(p)) > arenaBase+uint64(len(a.mem)) || addr+uint64(len(p)) < addr {
		return unix.EFAULT
	}
	copy(p, a.mem[addr-arenaBase:])
	return 0
}

func (a *arena) WriteMemory(addr uint64, p []byte) unix.Errno {
	if addr < arenaBase || addr+uint64(len(p)) > arenaBase+uint64(len(a.mem)) || addr+uint64(len(p)) < addr {
		return unix.EFAULT
	}
	copy(a.mem[addr-arenaBase:], p)
	return 0
}

func (a *arena) ReadPath(uint64) ([]byte, unix.Errno) { return nil, unix.EFAULT }

func (a *arena) Path(int32) ([]byte, unix.Errno) { return nil, unix.EBADF }

func (a *arena) Inode(fd int32) (uint64, unix.Errno) {
	if ino, ok := a.inodes[fd]; ok {
		return ino, 0
	}
	return 0, unix.EBADF
}

func (a *arena) Borrow(int32) (int, unix.Errno) { return -1, unix.EPERM }

func (a *arena) Protocol(int32) (string, unix.Errno) { return "", unix.EOPNOTSUPP }

func (a *arena) CloseOnExec(int32) (bool, unix.Errno) { return a.flags&unix.O_CLOEXEC != 0, 0 }
func (a *arena) StatusFlags(int32) (int, unix.Errno)  { return a.flags, 0 }

// run takes a verdict to its end as an engine would: native calls end with ret,
// waits time out, receives find nothing. It fails if the end does not come.
func (a *arena) run(t testing.TB, v trap.Verdict, ret int64) trap.Verdict {
	for range 4096 {
		switch v.Kind {
		case trap.KindDone, trap.KindFail:
			return v
		case trap.KindNative:
			if v.Native == nil || v.Native.Then == nil {
				return trap.Done(ret)
			}
			v = v.Native.Then(a, ret)
		case trap.KindInstall:
			v = a.install(v.Install)
		case trap.KindWait:
			v = v.Wait.Again(a, false)
		case trap.KindReceive:
			if v.Receive.Check != nil {
				if u := v.Receive.Check(a); u != nil {
					v = *u
					continue
				}
			}
			v = v.Receive.Then(a, ret, 0, -1)
		}
	}
	t.Fatalf("verdict without end: %+v", v)
	return v
}

func (a *arena) install(i *trap.Install) trap.Verdict {
	var st unix.Stat_t
	if err := unix.Fstat(i.File, &st); err != nil {
		return trap.Fail(unix.EBADF)
	}
	fd := i.At
	if fd < 0 {
		fd = int32(len(a.files))
	}
	a.files = append(a.files, i.File)
	a.inodes[fd] = st.Ino
	if i.Then != nil {
		return i.Then(a, fd)
	}
	return trap.Done(int64(fd))
}

func newArena(t testing.TB) (*Emulator, *arena) {
	t.Helper()
	host, err := stack.NewHost(stack.HostConfig{})
	if err != nil {
		t.Fatal(err)
	}
	e := New(Config{Stack: host, Netlink: netlink.NewServer(rtnl.New(host)), Log: slog.New(slog.DiscardHandler)})
	a := &arena{inodes: make(map[int32]uint64), flags: unix.O_NONBLOCK}
	t.Cleanup(func() {
		for _, f := range a.files {
			unix.Close(f)
		}
		e.Close()
		host.Close()
	})
	return e, a
}

// sockets makes one socket of each kind; their descriptors are 0, 1, ….
func (a *arena) sockets(t testing.TB, e *Emulator) {
	for _, s := range [][3]uint64{
		{unix.AF_INET, unix.SOCK_STREAM, 0}, {unix.AF_INET6, unix.SOCK_STREAM, 0},
		{unix.AF_INET, unix.SOCK_DGRAM, 0}, {unix.AF_INET6, unix.SOCK_DGRAM, 0},
		{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP}, {unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6},
		{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}, {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6},
		{unix.AF_NETLINK, unix.SOCK_RAW, 0},
	} {
		v := a.run(t, e.Handle(a, trap.Call{NR: unix.SYS_SOCKET, Args: [6]uint64{s[0], s[1], s[2]}}), 0)
		if v.Kind != trap.KindDone {
			t.Fatalf("socket(%v): %v", s, v.Errno)
		}
	}
}

// FuzzHandle makes calls with arguments from the fuzzer, pointing into memory
// from the fuzzer, on sockets of every kind: the emulation neither panics nor
// goes round in circles, and leaves no file behind.
func FuzzHandle(f *testing.F) {
	var numbers []int
	for nr := range 512 {
		if _, ok := syscalls[nr]; ok {
			numbers = append(numbers, nr)
		}
	}
	for i := range numbers {
		f.Add([]byte{byte(i), byte(i), 16, 1, 0, 0, 2, 0, 0, 53, 127, 0, 0, 1})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, a := newArena(t)
		a.sockets(t, e)
		copy(a.mem[:], data)
		for len(data) >= 8 {
			c := trap.Call{NR: numbers[int(data[0])%len(numbers)]}
			c.Args[0] = uint64(data[1] % 12)
			for i := 1; i < 6; i++ {
				c.Args[i] = hostileArgument(data[1+i], data[(7+i)%len(data)])
			}
			ret := int64(int8(data[7]))
			a.run(t, e.Handle(a, c), ret)
			data = data[8:]
		}
	})
}

// hostileArgument is a small number, a pointer into the arena, or a boundary.
func hostileArgument(kind, value byte) uint64 {
	switch kind % 5 {
	case 0:
		return uint64(value)
	case 1:
		return arenaBase + uint64(value)*16
	case 2:
		return arenaBase + 4096 - uint64(value)%64
	case 3:
		return ^uint64(0) - uint64(value)
	}
	return uint64(1) << (value % 64)
}

func TestStreamRefusedTellsOnce(t *testing.T) {
	e, a := newArena(t)
	a.flags = 0
	fd := a.run(t, e.Handle(a, trap.Call{NR: unix.SYS_SOCKET, Args: [6]uint64{unix.AF_INET, unix.SOCK_STREAM}}), 0).Value
	binary.NativeEndian.PutUint16(a.mem[:], unix.AF_INET)
	binary.BigEndian.PutUint16(a.mem[2:], 9)
	copy(a.mem[4:], []byte{127, 0, 0, 1})
	call := trap.Call{NR: unix.SYS_CONNECT, Args: [6]uint64{uint64(fd), arenaBase, 16}}
	v := e.Handle(a, call)
	if v.Kind != trap.KindWait || v.Wait.Events != unix.POLLOUT {
		t.Fatalf("a blocking connect is not a wait: %+v", v)
	}
	p := []unix.PollFd{{Fd: int32(a.files[fd]), Events: v.Wait.Events}}
	if n, err := unix.Poll(p, 10_000); n != 1 {
		t.Fatalf("the surrogate shows no outcome: %v", err)
	}
	if v = v.Wait.Again(a, true); v.Errno != unix.ECONNREFUSED {
		t.Fatalf("connect ends with %+v", v)
	}
	a.mem[100] = 4
	get := trap.Call{NR: unix.SYS_GETSOCKOPT, Args: [6]uint64{uint64(fd), unix.SOL_SOCKET, unix.SO_ERROR, arenaBase + 200, arenaBase + 100}}
	if v = a.run(t, e.Handle(a, get), 0); v.Errno != 0 || binary.NativeEndian.Uint32(a.mem[200:]) != 0 {
		t.Fatalf("SO_ERROR tells it again: %v, %v", v.Errno, a.mem[200:204])
	}
}
