package stack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/refs"
	"gvisor.dev/gvisor/pkg/tcpip"

	"netbox/netemu/link"
	testworld "netbox/test/world"
)

func TestMain(m *testing.M) { testworld.Main(leakless{m}) }

// leakless checks that no packet and no goroutine is left behind: every test
// closes the stacks it made.
type leakless struct{ *testing.M }

func (m leakless) Run() int {
	refs.SetLeakMode(refs.LeaksPanic)
	code := m.M.Run()
	if code == 0 {
		if left := leftGoroutines(); left != "" {
			os.Stderr.WriteString("goroutines left:\n" + left + "\n")
			code = 99
		}
		// AddDanglingEndpoint keeps closed TCP endpoints for sentry's
		// save/restore; they are not packets, but may hold some.
		tcpip.ReleaseDanglingEndpoints()
		refs.DoRepeatedLeakCheck()
	}
	return code
}

// leftGoroutines lists goroutines of this module and of netstack, waiting some
// time for the ones that are on their way out.
func leftGoroutines() string {
	var left string
	for range 100 {
		left = ""
		buf := make([]byte, 1<<20)
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "leftGoroutines") || !strings.Contains(g, "gvisor.dev") && !strings.Contains(g, "netbox/netemu") {
				continue
			}
			left += g + "\n\n"
		}
		if left == "" {
			return ""
		}
		time.Sleep(20 * time.Millisecond)
	}
	return left
}

var (
	sandbox4 = netip.MustParseAddr("10.0.2.100")
	sandbox6 = netip.MustParseAddr("fd00:2::64")
	gateway4 = netip.MustParseAddr("10.0.2.2")
	gateway6 = netip.MustParseAddr("fd00:2::2")
	far4     = netip.MustParseAddr("203.0.113.7")
	far6     = netip.MustParseAddr("2001:db8::7")
)

func hostConfig(l link.Endpoint) HostConfig {
	return HostConfig{
		Link:     l,
		Addrs:    []netip.Prefix{netip.PrefixFrom(sandbox4, 24), netip.PrefixFrom(sandbox6, 64)},
		Gateways: []netip.Addr{gateway4, gateway6},
	}
}

// world is a host on a link with something on its other side.
type world struct {
	host, far *Stack
}

// newWorld makes a host and a gateway with these handlers.
func newWorld(t testing.TB, c GatewayConfig) *world {
	t.Helper()
	a, b := link.New(0)
	host, err := NewHost(hostConfig(a))
	if err != nil {
		t.Fatal(err)
	}
	c.Link = b
	c.Addrs = []netip.Prefix{
		netip.MustParsePrefix("10.0.2.2/24"), netip.MustParsePrefix("10.0.2.3/24"),
		netip.MustParsePrefix("fd00:2::2/64"), netip.MustParsePrefix("fd00:2::3/64"),
	}
	gw, err := NewGateway(c)
	if err != nil {
		host.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		host.Close()
		gw.Close()
	})
	return &world{host, gw}
}

// newLoop makes a host without a link.
func newLoop(t testing.TB) *Stack {
	t.Helper()
	s, err := NewHost(HostConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func at(a string) Addr { return Addr{AddrPort: netip.MustParseAddrPort(a)} }

func ap(a netip.Addr, port uint16) Addr { return Addr{AddrPort: netip.AddrPortFrom(a, port)} }

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// until waits for e to have one of the events, as package stack's users must:
// register, look, sleep.
func until(t testing.TB, e *Endpoint, mask Events) Events {
	t.Helper()
	ch := make(chan struct{}, 1)
	cancel := e.Notify(mask, func() {
		select {
		case ch <- struct{}{}:
		default:
		}
	})
	defer cancel()
	deadline := time.After(patience)
	for {
		if got := e.Readiness(mask); got != 0 {
			return got
		}
		select {
		case <-ch:
		case <-deadline:
			t.Fatalf("no event of %#x", mask)
		}
	}
}

func ok(t testing.TB, what string, en unix.Errno) {
	t.Helper()
	if en != 0 {
		t.Fatalf("%s: %v", what, en)
	}
}

func want(t testing.TB, what string, got, want unix.Errno) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v (%d), want %v", what, got, int(got), want)
	}
}

func tcpSocket(t testing.TB, s *Stack, f Family) *Endpoint {
	t.Helper()
	e, en := s.NewTCP(f)
	ok(t, "socket", en)
	t.Cleanup(e.Close)
	return e
}

func udpSocket(t testing.TB, s *Stack, f Family) *Endpoint {
	t.Helper()
	e, en := s.NewUDP(f)
	ok(t, "socket", en)
	t.Cleanup(e.Close)
	return e
}

func rawSocket(t testing.TB, s *Stack, f Family, proto uint8) *Endpoint {
	t.Helper()
	e, en := s.NewRaw(f, proto)
	ok(t, "socket", en)
	t.Cleanup(e.Close)
	return e
}

// connect connects e and returns what the handshake came to.
func connect(t testing.TB, e *Endpoint, a Addr) unix.Errno {
	t.Helper()
	if en := e.Connect(a); en != unix.EINPROGRESS {
		return en
	}
	until(t, e, unix.POLLOUT)
	return e.TakeError()
}

// stream makes an Endpoint an io.ReadWriter that waits.
type stream struct {
	t testing.TB
	*Endpoint
}

func (s stream) Read(p []byte) (int, error) {
	for {
		w := tcpip.SliceWriter(p)
		n, en := s.ReadStream(&w)
		switch {
		case en == unix.EAGAIN:
			until(s.t, s.Endpoint, unix.POLLIN)
		case en != 0:
			return n, en
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (s stream) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, en := s.WriteStream(p[done:])
		done += n
		switch en {
		case 0:
		case unix.EAGAIN:
			until(s.t, s.Endpoint, unix.POLLOUT)
		default:
			return done, en
		}
	}
	return done, nil
}

// receive waits for one datagram.
func receive(t testing.TB, e *Endpoint) (Datagram, []byte) {
	t.Helper()
	buf := make([]byte, 1<<16)
	for {
		d, en := e.Receive(buf, false)
		if en == unix.EAGAIN {
			until(t, e, unix.POLLIN)
			continue
		}
		ok(t, "receive", en)
		return d, buf[:d.N]
	}
}

// relayTCP is a handler that relays a request to a host address.
func relayTCP(to string) func(*TCPRequest) {
	return func(r *TCPRequest) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		var d net.Dialer
		back, err := d.DialContext(ctx, "tcp", to)
		if err != nil {
			r.Refuse()
			return
		}
		defer back.Close()
		front, err := r.Accept()
		if err != nil {
			return
		}
		defer front.Close()
		done := make(chan struct{})
		go func() {
			defer close(done)
			io.Copy(back, front)
			back.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(front, back)
		front.CloseWrite()
		<-done
	}
}

func isErrno(err error, want unix.Errno) bool { return errors.Is(err, want) }
