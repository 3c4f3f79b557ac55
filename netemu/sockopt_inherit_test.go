package netemu

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/abi"
)

// inherited are options with a value other than the default, and where the
// kernel is to find it too.
var inherited = []struct {
	name   string
	key    optionKey
	value  []byte
	native bool
}{
	{"TCP_NODELAY", optionKey{unix.SOL_TCP, unix.TCP_NODELAY}, abi.IntBytes(1), false},
	{"TCP_CORK", optionKey{unix.SOL_TCP, unix.TCP_CORK}, abi.IntBytes(1), false},
	{"TCP_KEEPIDLE", optionKey{unix.SOL_TCP, unix.TCP_KEEPIDLE}, abi.IntBytes(77), false},
	{"TCP_KEEPINTVL", optionKey{unix.SOL_TCP, unix.TCP_KEEPINTVL}, abi.IntBytes(7), false},
	{"TCP_KEEPCNT", optionKey{unix.SOL_TCP, unix.TCP_KEEPCNT}, abi.IntBytes(3), false},
	{"TCP_USER_TIMEOUT", optionKey{unix.SOL_TCP, unix.TCP_USER_TIMEOUT}, abi.IntBytes(1500), false},
	{"TCP_LINGER2", optionKey{unix.SOL_TCP, unix.TCP_LINGER2}, abi.IntBytes(9), false},
	{"TCP_CONGESTION", optionKey{unix.SOL_TCP, unix.TCP_CONGESTION}, append([]byte("reno"), make([]byte, 12)...), false},
	{"SO_KEEPALIVE", optionKey{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, abi.IntBytes(1), false},
	{"SO_REUSEADDR", optionKey{unix.SOL_SOCKET, unix.SO_REUSEADDR}, abi.IntBytes(1), false},
	{"IP_TTL", optionKey{unix.SOL_IP, unix.IP_TTL}, abi.IntBytes(33), false},
	{"IP_TOS", optionKey{unix.SOL_IP, unix.IP_TOS}, abi.IntBytes(0x20), false},
	{"SO_LINGER", optionKey{unix.SOL_SOCKET, unix.SO_LINGER}, abi.Linger{OnOff: 1, Seconds: 12}.Bytes(), true},
	{"SO_RCVTIMEO", optionKey{unix.SOL_SOCKET, unix.SO_RCVTIMEO}, abi.Timeval{Sec: 7}.Bytes(), true},
	{"SO_SNDTIMEO", optionKey{unix.SOL_SOCKET, unix.SO_SNDTIMEO}, abi.Timeval{Sec: 8}.Bytes(), true},
	{"SO_RCVLOWAT", optionKey{unix.SOL_SOCKET, unix.SO_RCVLOWAT}, abi.IntBytes(5), true},
	{"SO_PRIORITY", optionKey{unix.SOL_SOCKET, unix.SO_PRIORITY}, abi.IntBytes(4), true},
}

func setInherited(t *testing.T, s emulated) {
	t.Helper()
	for _, o := range inherited {
		if errno := s.set(t, o.key, o.value); errno != 0 {
			t.Fatalf("set %s: %v", o.name, errno)
		}
	}
	// Buffers are told doubled.
	if errno := s.set(t, optionKey{unix.SOL_SOCKET, unix.SO_SNDBUF}, abi.IntBytes(50000)); errno != 0 {
		t.Fatal(errno)
	}
}

// checkInherited looks at the emulated options, and at the surrogate's.
func checkInherited(t *testing.T, s emulated) {
	t.Helper()
	for _, o := range inherited {
		v, errno := s.get(t, o.key, 64)
		if errno != 0 || string(v) != string(o.value) {
			t.Errorf("%s: %v, %v; want %v", o.name, v, errno, o.value)
		}
		if !o.native {
			continue
		}
		if v, err := unix.GetsockoptString(int(s.fd), int(o.key.level), int(o.key.name)); err != nil || v != string(o.value[:len(v)]) {
			t.Errorf("%s of the surrogate: %q, %v", o.name, v, err)
		}
	}
	v, _ := s.get(t, optionKey{unix.SOL_SOCKET, unix.SO_SNDBUF}, 4)
	if n, _ := abi.ParseInt(v); n != 100000 {
		t.Errorf("SO_SNDBUF: %d", n)
	}
}

// stream makes a TCP socket.
func (o *optionTask) stream(t *testing.T) emulated {
	t.Helper()
	fd, errno := o.do(t, unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { unix.Close(int(fd)) })
	return emulated{o, fd}
}

// loopback puts 127.0.0.1:port into the page.
func (o *optionTask) loopback(port uint16) {
	copy(o.mem[:], abi.IntBytes(unix.AF_INET)[:2])
	binary.BigEndian.PutUint16(o.mem[2:], port)
	copy(o.mem[4:], []byte{127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
}

// TestOptionsInherited: an accepted connection has its listener's options.
func TestOptionsInherited(t *testing.T) {
	task := newOptionTask(t)
	l, c := task.stream(t), task.stream(t)
	setInherited(t, l)
	const port = 7000
	task.loopback(port)
	if _, errno := task.do(t, unix.SYS_BIND, uint64(l.fd), optionValue, abi.SizeofSockaddrInet4); errno != 0 {
		t.Fatal(errno)
	}
	if _, errno := task.do(t, unix.SYS_LISTEN, uint64(l.fd), 4); errno != 0 {
		t.Fatal(errno)
	}
	task.loopback(port)
	if _, errno := task.do(t, unix.SYS_CONNECT, uint64(c.fd), optionValue, abi.SizeofSockaddrInet4); errno != unix.EINPROGRESS {
		t.Fatal(errno)
	}
	// What accept(2) does natively: the surrogate brings the connection.
	await(t, l.fd, unix.POLLIN)
	room := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(l.fd), make([]byte, 1), room, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(room[:n])
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	child := emulated{task, int64(fds[0])}
	checkInherited(t, child)
	inode, _ := task.Inode(int32(fds[0]))
	if st := task.e.reg.get(inode).(*stream); st.sendTimeout.Seconds() != 8 {
		t.Errorf("connect(2) of the connection would wait %v", st.sendTimeout)
	}
}

// TestOptionsKept: a socket that connects again has the options it was given.
func TestOptionsKept(t *testing.T) {
	task := newOptionTask(t)
	s := task.stream(t)
	setInherited(t, s)
	before, _ := task.Inode(int32(s.fd))
	for _, want := range []unix.Errno{unix.EINPROGRESS, unix.ECONNREFUSED, unix.EINPROGRESS} {
		task.loopback(7001)
		_, errno := task.do(t, unix.SYS_CONNECT, uint64(s.fd), optionValue, abi.SizeofSockaddrInet4)
		if errno != want {
			t.Fatalf("connect: %v, want %v", errno, want)
		}
		await(t, s.fd, unix.POLLOUT)
	}
	if after, _ := task.Inode(int32(s.fd)); after == before {
		t.Fatal("the surrogate is the same")
	}
	checkInherited(t, s)
}

func await(t *testing.T, fd int64, events int16) {
	t.Helper()
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	if n, err := unix.Poll(p, 10_000); n != 1 {
		t.Fatalf("poll: %d, %v", n, err)
	}
}
