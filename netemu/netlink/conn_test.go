package netlink

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/netlink/netnstest"
	"netbox/netemu/rtnl"
)

func open(t testing.TB, s *Server) *Conn {
	t.Helper()
	c, errno := s.Open(unix.NETLINK_ROUTE)
	if errno != 0 {
		t.Fatal(errno)
	}
	return c
}

// TestOpenOtherProtocols: as a kernel without them; ss then reads /proc.
func TestOpenOtherProtocols(t *testing.T) {
	s := NewServer(sandbox(t))
	for _, protocol := range []int{-1, unix.NETLINK_SOCK_DIAG, unix.NETLINK_GENERIC, unix.NETLINK_KOBJECT_UEVENT, unix.NETLINK_AUDIT, 31, 1 << 30} {
		if c, errno := s.Open(protocol); errno != unix.EPROTONOSUPPORT || c != nil {
			t.Errorf("protocol %d: %v, %v", protocol, c, errno)
		}
	}
	s.ServeSockets(rawTable{})
	if _, errno := s.Open(unix.NETLINK_SOCK_DIAG); errno != 0 {
		t.Errorf("with sockets to tell: %v", errno)
	}
}

// TestBind walks through netlink_bind: kernel-chosen and own port ids, ids in
// use, a second bind.
func TestBind(t *testing.T) {
	s := NewServer(sandbox(t))
	a, b, c := open(t, s), open(t, s), open(t, s)
	if pid, groups := a.Local(); pid != 0 || groups != 0 {
		t.Errorf("unbound: %d %#x", pid, groups)
	}
	for _, step := range []struct {
		name        string
		conn        *Conn
		pid, groups uint32
		want        unix.Errno
	}{
		{"any", a, 0, 0x550, 0},
		{"own number", b, 4711, 0, 0},
		{"same number again", b, 4711, 1, 0},
		{"another number", b, 4712, 0, unix.EINVAL},
		{"any number, bound", b, 0, 0, unix.EINVAL},
		{"taken", c, 4711, 0, unix.EADDRINUSE},
		{"any after a failure", c, 0, 0, 0},
	} {
		if got := step.conn.Bind(step.pid, step.groups); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
	pa, ga := a.Local()
	pb, gb := b.Local()
	pc, _ := c.Local()
	if pa == 0 || pc == 0 || pa == pc || pb != 4711 || ga != 0x550 || gb != 1 {
		t.Errorf("bound to %d %#x, %d %#x, %d", pa, ga, pb, gb, pc)
	}
	b.Close()
	if errno := b.Bind(0, 0); errno != unix.EBADF {
		t.Errorf("bind after close: %v", errno)
	}
	if errno := open(t, s).Bind(4711, 0); errno != 0 {
		t.Errorf("number given back: %v", errno)
	}
}

// TestBindAsLinux does the same steps on real sockets.
func TestBindAsLinux(t *testing.T) {
	if !netnstest.Run(t) {
		return
	}
	fds := map[byte]int{}
	for _, name := range []byte("abc") {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		fds[name] = fd
	}
	for _, step := range []struct {
		conn        byte
		pid, groups uint32
		want        error
	}{
		{'a', 0, 0x550, nil}, {'b', 4711, 0, nil}, {'b', 4711, 1, nil}, {'b', 4712, 0, unix.EINVAL}, {'b', 0, 0, unix.EINVAL},
		{'c', 4711, 0, unix.EADDRINUSE}, {'c', 0, 0, nil},
	} {
		to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: step.pid, Groups: step.groups}
		if err := unix.Bind(fds[step.conn], to); err != step.want {
			t.Errorf("%c: bind %d: %v, want %v", step.conn, step.pid, err, step.want)
		}
	}
}

func TestAutomaticPortsAreUniqueAndWrap(t *testing.T) {
	s := NewServer(sandbox(t))
	s.next = lowestAutoPort + 1
	s.ports[portID{unix.NETLINK_ROUTE, highestAutoPort}] = true
	seen := map[uint32]bool{highestAutoPort: true}
	for range 4 {
		c := open(t, s)
		if errno := c.Bind(0, 0); errno != 0 {
			t.Fatal(errno)
		}
		pid, _ := c.Local()
		if seen[pid] || int32(pid) >= 0 {
			t.Errorf("port id %d", int32(pid))
		}
		seen[pid] = true
	}
}

// TestSend: what send(2) itself fails with, and that it binds the socket.
func TestSend(t *testing.T) {
	c := open(t, NewServer(sandbox(t)))
	for size, want := range map[int]unix.Errno{0: unix.ENODATA, maxRequest + 1: unix.EMSGSIZE} {
		if _, errno := c.Send(make([]byte, size)); errno != want {
			t.Errorf("%d bytes: %v, want %v", size, errno, want)
		}
	}
	if pid, _ := c.Local(); pid != 0 {
		t.Errorf("bound by a send that failed")
	}
	if answers, errno := c.Send(make([]byte, maxRequest)); errno != 0 || len(answers) != 0 {
		t.Errorf("largest datagram: %v, %d answers", errno, len(answers))
	}
	if pid, _ := c.Local(); pid == 0 {
		t.Error("send did not bind")
	}
	for _, to := range [][2]uint32{{1, 0}, {0, 1}} {
		if errno := c.Connect(to[0], to[1]); errno != unix.EPERM {
			t.Errorf("connect to %v: %v", to, errno)
		}
	}
	c.Close()
	if _, errno := c.Send([]byte{1}); errno != unix.EBADF {
		t.Errorf("send after close: %v", errno)
	}
}

// TestOverrun: one datagram that asks for more than a receive buffer holds
// gets a part of it, whole datagrams only, and ENOBUFS once.
func TestOverrun(t *testing.T) {
	c := open(t, NewServer(sandbox(t)))
	one := message(unix.RTM_GETLINK, dumping, make([]byte, 16))
	answers, errno := c.Send(bytes.Repeat(one, maxRequest/len(one)))
	size := 0
	for _, b := range answers {
		size += len(b)
	}
	if errno != 0 || size > maxAnswers || size < maxAnswers-2*maxDatagram {
		t.Errorf("%v, %d bytes", errno, size)
	}
	if got := c.TakeError(); got != unix.ENOBUFS {
		t.Errorf("pending error %v", got)
	}
	if got := c.TakeError(); got != 0 {
		t.Errorf("pending error again: %v", got)
	}
	if answers, errno := c.Send(one); errno != 0 || len(answers) == 0 || c.TakeError() != 0 {
		t.Errorf("after the overrun: %v, %d answers", errno, len(answers))
	}
}

// TestDatagramsFitGlibc: its buffer is one page, a longer datagram is lost.
func TestDatagramsFitGlibc(t *testing.T) {
	many := sandbox(t)
	const dummies = 60
	for range dummies {
		if failure := many.AddDummy(rtnl.Request{}, 0, rtnl.LinkChange{}); failure != nil {
			t.Fatal(failure)
		}
	}
	server := openServer(t, many)
	datagrams, port := server.ask(t, message(unix.RTM_GETLINK, dumping, make([]byte, 16)))
	rows := 0
	for _, b := range datagrams {
		if len(b) > maxDatagram {
			t.Errorf("datagram of %d bytes", len(b))
		}
	}
	for _, d := range decode(t, datagrams, port, 7) {
		if d.typ == unix.RTM_NEWLINK {
			rows++
		}
		if d.flags&unix.NLM_F_MULTI == 0 {
			t.Errorf("flags %#x", d.flags)
		}
	}
	if rows != dummies+2 || ending(t, datagrams, port) != 0 {
		t.Errorf("%d rows of %d", rows, dummies+2)
	}
}

// TestOnlyThePrivilegedChange: every RTM_NEW*, RTM_DEL* and RTM_SET* is refused
// to others, before it is looked at.
func TestOnlyThePrivilegedChange(t *testing.T) {
	host := sandbox(t)
	before := fmt.Sprint(host.Routes())
	for typ := unix.RTM_BASE; typ <= unix.RTM_MAX; typ++ {
		if typ&kindMask == kindGet {
			continue
		}
		server := openServer(t, host)
		server.conn.Unknown = func(name string, _ int) { t.Errorf("%s reported as unknown", name) }
		datagrams, port := server.ask(t, message(typ, get|unix.NLM_F_CREATE|unix.NLM_F_ACK, make([]byte, 16)))
		if ending(t, datagrams, port) != unix.EPERM {
			t.Errorf("%s: %+v", typeName(uint16(typ)), decode(t, datagrams, port, 7))
		}
	}
	if after := fmt.Sprint(host.Routes()); after != before {
		t.Errorf("routes are %s, were %s", after, before)
	}
}

func TestUnknownIsReported(t *testing.T) {
	server := openServer(t, sandbox(t))
	var names []string
	server.conn.Unknown = func(name string, number int) { names = append(names, name) }
	for _, typ := range []int{unix.RTM_GETSTATS, unix.RTM_GETLINK, unix.RTM_GETADDRLABEL, 1000} {
		server.ask(t, message(typ, dumping, make([]byte, 16)))
	}
	if errno := server.conn.SetOption(77, word(1)); errno != unix.ENOPROTOOPT {
		t.Errorf("option 77: %v", errno)
	}
	if _, errno := server.conn.Option(78); errno != unix.ENOPROTOOPT {
		t.Errorf("option 78: %v", errno)
	}
	want := []string{"RTM_GETSTATS", "RTM_GETADDRLABEL", "RTM type 1000", "SOL_NETLINK option 77", "SOL_NETLINK option 78"}
	if len(names) != len(want) {
		t.Fatalf("%q", names)
	}
	for i := range want {
		if names[i] != want[i] {
			t.Errorf("%q, want %q", names[i], want[i])
		}
	}
}

// TestLonelyHost: without an uplink there is lo and nothing to route.
func TestLonelyHost(t *testing.T) {
	server := openServer(t, lonely(t))
	for typ, want := range map[int]int{unix.RTM_GETLINK: 1, unix.RTM_GETADDR: 2, unix.RTM_GETROUTE: 3 + 1} {
		datagrams, port := server.ask(t, message(typ, dumping, []byte{0}))
		if got := len(decode(t, datagrams, port, 7)) - 1; got != want {
			t.Errorf("%s: %d rows, want %d", typeName(uint16(typ)), got, want)
		}
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		addr := append([]byte{0x20}, make([]byte, 15)...)
		if family == unix.AF_INET {
			addr = []byte{8, 8, 8, 8}
		}
		datagrams, port := server.ask(t, message(unix.RTM_GETROUTE, get, rtm(family, 0, nil), attr(unix.RTA_DST, addr)))
		if got := ending(t, datagrams, port); got != unix.ENETUNREACH {
			t.Errorf("way out: %v", got)
		}
	}
}
