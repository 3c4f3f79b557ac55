package netemu

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netlink/netnstest"
	"netbox/netemu/stack"
)

var optionSockets = []identity{
	{family: unix.AF_INET, typ: unix.SOCK_STREAM}, {family: unix.AF_INET6, typ: unix.SOCK_STREAM},
	{family: unix.AF_INET, typ: unix.SOCK_DGRAM}, {family: unix.AF_INET6, typ: unix.SOCK_DGRAM},
	{family: unix.AF_INET, typ: unix.SOCK_DGRAM, protocol: unix.IPPROTO_ICMP},
	{family: unix.AF_INET6, typ: unix.SOCK_DGRAM, protocol: unix.IPPROTO_ICMPV6},
	{family: unix.AF_INET, typ: unix.SOCK_RAW, protocol: unix.IPPROTO_ICMP},
	{family: unix.AF_INET6, typ: unix.SOCK_RAW, protocol: unix.IPPROTO_ICMPV6},
	{family: unix.AF_PACKET, typ: unix.SOCK_RAW},
}

// optionsUnlike are rows without a gap that all the same may answer otherwise.
var optionsUnlike = map[string]string{
	"SO_COOKIE":         "a number of the socket's own",
	"IPV6_MULTICAST_IF": "the sandbox's own interfaces",
	"SO_BINDTODEVICE":   "the sandbox's own interfaces",
	"SO_BINDTOIFINDEX":  "an interface that is not there is told at once",
	"SO_PEEK_OFF":       "raw sockets have it too",
	"TCP_CC_INFO":       "depends on the host's algorithm",
}

// TestOptionsAsLinux sets and gets every row on every kind of socket. What does
// not say how it is partial answers as the kernel does.
func TestOptionsAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) { // for raw sockets
		return
	}
	for _, id := range optionSockets {
		t.Run(fmt.Sprint(id.family, id.typ, id.protocol), func(t *testing.T) {
			task := newOptionTask(t)
			for number, list := range levels {
				for _, l := range list {
					for name, row := range l.rows {
						compareOption(t, task, id, optionKey{number, name}, row)
					}
				}
			}
		})
	}
}

func compareOption(t *testing.T, task *optionTask, id identity, k optionKey, row option) {
	fd, err := unix.Socket(id.family, id.typ|unix.SOCK_CLOEXEC, id.protocol)
	if err != nil {
		t.Fatalf("socket: %v", err)
	}
	defer unix.Close(fd)
	ours, errno := task.do(t, unix.SYS_SOCKET, uint64(id.family), uint64(id.typ), uint64(id.protocol))
	if errno != 0 {
		t.Fatalf("socket: %v", errno)
	}
	defer unix.Close(int(ours))
	_, unlike := optionsUnlike[row.name]
	same := row.partial == "" && !unlike
	want, got := kernel{new(optionTask), fd}, emulated{task, ours}
	check := func(what string, want, got any) {
		if same && fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%s of %v %s: Linux %v, here %v", what, k, row.name, want, got)
		}
	}
	for _, v := range []int32{0, 1, 2, 33, 255, 256, 5000, -1, -2, 1<<31 - 1} {
		value := abi.IntBytes(v)
		a, b := want.set(t, k, value), got.set(t, k, value)
		check(fmt.Sprintf("set %d", v), a, b)
		if _, errno := got.get(t, k, 64); b == 0 && errno != 0 && errno != unix.ENOTCONN && row.getInt != nil {
			t.Errorf("%s: %d can be set and not read: %v", row.name, v, errno)
		}
		for _, length := range []int{4, 1, 0, 64} {
			x, a := want.get(t, k, length)
			y, b := got.get(t, k, length)
			check(fmt.Sprintf("get %d after %d", length, v), fmt.Sprint(x, a), fmt.Sprint(y, b))
		}
	}
	for _, length := range []int{0, 1, 3, 8, 16, 32} {
		value := slices.Repeat([]byte{1}, length)
		check(fmt.Sprintf("set length %d", length), want.set(t, k, value), got.set(t, k, value))
	}
}

// TestDontFragment: IPV6_DONTFRAG and IPV6_MTU_DISCOVER are one thing to
// netstack, and two to a program.
func TestDontFragment(t *testing.T) {
	task := newOptionTask(t)
	fd, errno := task.do(t, unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Close(int(fd))
	s := emulated{task, fd}
	inode, _ := task.Inode(int32(fd))
	ep := task.e.reg.get(inode).endpoint()
	for _, step := range []struct {
		name  int32
		value int32
		want  int
	}{
		{unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT, unix.IPV6_PMTUDISC_DONT},
		{unix.IPV6_DONTFRAG, 1, unix.IPV6_PMTUDISC_DO},
		{unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_WANT, unix.IPV6_PMTUDISC_DO},
		{unix.IPV6_DONTFRAG, 0, unix.IPV6_PMTUDISC_WANT},
	} {
		k := optionKey{unix.SOL_IPV6, step.name}
		if errno := s.set(t, k, abi.IntBytes(step.value)); errno != 0 {
			t.Fatal(errno)
		}
		if v, _ := ep.GetInt(stack.MTUDiscover); v != step.want {
			t.Errorf("after %d = %d netstack has %d, want %d", step.name, step.value, v, step.want)
		}
		if v, _ := s.get(t, k, 4); string(v) != string(abi.IntBytes(step.value)) {
			t.Errorf("%d is told as %v", step.name, v)
		}
	}
}

// TestFaults: a value that cannot be read or written is EFAULT, where the
// kernel looks at it.
func TestFaults(t *testing.T) {
	task := newOptionTask(t)
	fd := uint64(task.stream(t).fd)
	const bad = 16
	task.WriteMemory(optionLength, abi.IntBytes(4))
	for _, row := range []struct {
		name string
		nr   int
		args []uint64
		want unix.Errno
	}{
		{"int", unix.SYS_SETSOCKOPT, []uint64{fd, unix.SOL_TCP, unix.TCP_NODELAY, bad, 4}, unix.EFAULT},
		{"native", unix.SYS_SETSOCKOPT, []uint64{fd, unix.SOL_SOCKET, unix.SO_PRIORITY, bad, 4}, unix.EFAULT},
		{"length first", unix.SYS_SETSOCKOPT, []uint64{fd, unix.SOL_TCP, unix.TCP_NODELAY, bad, 3}, unix.EINVAL},
		{"option first", unix.SYS_SETSOCKOPT, []uint64{fd, unix.SOL_IP, 9999, bad, 4}, unix.ENOPROTOOPT},
		{"level first", unix.SYS_SETSOCKOPT, []uint64{fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, bad, 4}, unix.ENOPROTOOPT},
		{"negative length first", unix.SYS_SETSOCKOPT, []uint64{fd, 9999, 1, bad, 1<<32 - 1}, unix.EINVAL},
		{"get", unix.SYS_GETSOCKOPT, []uint64{fd, unix.SOL_TCP, unix.TCP_NODELAY, bad, optionLength}, unix.EFAULT},
		{"get's length", unix.SYS_GETSOCKOPT, []uint64{fd, unix.SOL_TCP, unix.TCP_NODELAY, optionValue, bad}, unix.EFAULT},
		{"get's level first", unix.SYS_GETSOCKOPT, []uint64{fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, optionValue, bad}, unix.EOPNOTSUPP},
	} {
		if _, errno := task.do(t, row.nr, row.args...); errno != row.want {
			t.Errorf("%s: %v, want %v", row.name, errno, row.want)
		}
	}
}

// TestChecksumOfICMPv6: ping(8) asks for the checksum where it is anyway.
func TestChecksumOfICMPv6(t *testing.T) {
	task := newOptionTask(t)
	fd, errno := task.do(t, unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Close(int(fd))
	s := emulated{task, fd}
	k := optionKey{unix.SOL_RAW, ipv6ChecksumRaw}
	if errno := s.set(t, k, abi.IntBytes(icmpv6Checksum)); errno != 0 {
		t.Errorf("set: %v", errno)
	}
	if v, errno := s.get(t, k, 4); errno != 0 || string(v) != string(abi.IntBytes(icmpv6Checksum)) {
		t.Errorf("get: %v, %v", v, errno)
	}
	if errno := s.set(t, k, abi.IntBytes(4)); errno != unix.EINVAL {
		t.Errorf("moved: %v", errno)
	}
	if errno := s.set(t, optionKey{unix.SOL_IPV6, unix.IPV6_CHECKSUM}, abi.IntBytes(icmpv6Checksum)); errno != unix.EINVAL {
		t.Errorf("on SOL_IPV6: %v", errno)
	}
}
