package stack

import (
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	testworld "netbox/test/world"
)

// The tests of this file run each scenario twice: on Linux's own sockets, in a
// network namespace with the sandbox's addresses on a device that leads nowhere, and on
// Endpoints. The traces must be the same.

// sock is what both kinds of socket do.
type sock interface {
	Bind(Addr) unix.Errno
	Connect(Addr) unix.Errno
	Disconnect() unix.Errno
	Listen(int) unix.Errno
	AcceptSock() (sock, unix.Errno)
	Local() (Addr, unix.Errno)
	Remote() (Addr, unix.Errno)
	Shutdown(read, write bool) unix.Errno
	SendTo(p []byte, to *Addr) (int, unix.Errno)
	Recv(n int) (int, unix.Errno)
	Readiness(Events) Events
	TakeError() unix.Errno
	SetBool(BoolOption, bool) unix.Errno
	SetInt(IntOption, int) unix.Errno
	GetInt(IntOption) (int, unix.Errno)
	Close()
}

// emulated makes an Endpoint a sock.
type emulated struct{ *Endpoint }

func (e emulated) AcceptSock() (sock, unix.Errno) {
	c, _, en := e.Accept()
	if en != 0 {
		return nil, en
	}
	return emulated{c}, 0
}

func (e emulated) SendTo(p []byte, to *Addr) (int, unix.Errno) {
	if e.kind == kindTCP {
		return e.WriteStream(p)
	}
	return e.Send(p, to, nil)
}

func (e emulated) Recv(n int) (int, unix.Errno) {
	p := make([]byte, n)
	if e.kind == kindTCP {
		return e.ReadStream(limited{p})
	}
	d, en := e.Receive(p, false)
	return d.N, en
}

type limited struct{ p []byte }

func (l limited) Write(b []byte) (int, error) {
	n := copy(l.p, b)
	if n < len(b) {
		return n, fmt.Errorf("full")
	}
	return n, nil
}

// script is one run of a scenario.
type script struct {
	t     *testing.T
	make  func(stream bool, f Family) sock
	socks []sock
	trace []string
}

func (s *script) tcp(f Family) sock { return s.keep(s.make(true, f)) }
func (s *script) udp(f Family) sock { return s.keep(s.make(false, f)) }

func (s *script) keep(k sock) sock {
	s.socks = append(s.socks, k)
	return k
}

// say records an outcome.
func (s *script) say(what string, v ...any) {
	s.trace = append(s.trace, fmt.Sprint(append([]any{what, ": "}, v...)...))
}

// poll records readiness once it is not empty.
func (s *script) poll(what string, k sock, mask Events) {
	var got Events
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got = k.Readiness(mask); got != 0 {
			break
		}
	}
	s.say("poll "+what, fmt.Sprintf("%#x", uint16(got)))
}

func (s *script) connect(k sock, a Addr) {
	en := k.Connect(a)
	s.say("connect "+a.Addr().String(), en)
	if en == unix.EINPROGRESS {
		for end := time.Now().Add(patience); k.Readiness(unix.POLLOUT) == 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		s.say("SO_ERROR", k.TakeError())
	}
}

func (s *script) local(k sock) uint16 {
	a, en := k.Local()
	s.say("local", a.Addr(), en, a.Port() != 0)
	return a.Port()
}

func port(host string, p uint16) Addr {
	return ap(netip.MustParseAddr(host), p)
}

// newNative makes native sockets in a namespace of this test's own.
func newNative(t *testing.T) func(stream bool, f Family) sock {
	testworld.NeedRoot(t)
	type req struct {
		stream bool
		f      Family
	}
	reqs, socks, ready := make(chan req), make(chan sock), make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		ready <- enterNamespace()
		for r := range reqs {
			socks <- nativeSocket(t, r.stream, r.f)
		}
	}()
	t.Cleanup(func() { close(reqs) })
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	return func(stream bool, f Family) sock {
		reqs <- req{stream, f}
		return <-socks
	}
}

// enterNamespace gives the thread a network in which eth0 leads nowhere.
func enterNamespace() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "eth0", "type", "veth", "peer", "name", "nowhere"},
		{"link", "set", "nowhere", "up"},
		{"link", "set", "eth0", "up"},
		{"addr", "add", "10.0.2.100/24", "broadcast", "10.0.2.255", "dev", "eth0"},
		{"addr", "add", "fd00:2::64/64", "dev", "eth0", "nodad"},
		{"route", "add", "default", "via", "10.0.2.2"},
		{"-6", "route", "add", "default", "via", "fd00:2::2", "dev", "eth0"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return nil
}

func TestDual(t *testing.T) {
	native := newNative(t)
	for name, play := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, GatewayConfig{})
			run := func(mk func(bool, Family) sock) []string {
				s := &script{t: t, make: mk}
				play(s)
				for _, k := range s.socks {
					k.Close()
				}
				return s.trace
			}
			linux := run(native)
			ours := run(func(stream bool, f Family) sock {
				if stream {
					e, en := w.host.NewTCP(f)
					ok(t, "socket", en)
					return emulated{e}
				}
				e, en := w.host.NewUDP(f)
				ok(t, "socket", en)
				return emulated{e}
			})
			for i := range max(len(linux), len(ours)) {
				l, o := "", ""
				if i < len(linux) {
					l = linux[i]
				}
				if i < len(ours) {
					o = ours[i]
				}
				if l != o {
					t.Errorf("step %d: Linux %q, here %q", i, l, o)
				}
			}
			if slices.Equal(linux, ours) {
				t.Logf("%d steps alike", len(linux))
			}
		})
	}
}
