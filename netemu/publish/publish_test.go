package publish

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/link"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
	"netbox/netemu/uplink/nat"
)

const patience = 10 * time.Second

var (
	host4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	host6 = netip.IPv6Loopback()
)

// newRig is a sandbox host whose ports are published by a Server on nat's
// stack; when the test has ended, nothing may be left behind.
func newRig(t *testing.T, specs ...Spec) (*Server, *stack.Stack) {
	t.Helper()
	// The runtime's epoll descriptors stay: have them counted before.
	if warm, err := net.ListenPacket("udp", "127.0.0.1:0"); err == nil {
		warm.Close()
	}
	goroutines, files := resources()
	server, err := Listen(specs, nil)
	if err != nil {
		t.Fatal(err)
	}
	near, far := link.New(link.DefaultMTU)
	up := nat.New(nat.Config{})
	if err = up.Start(far); err != nil {
		t.Fatal(err)
	}
	host, err := stack.NewHost(stack.HostConfig{
		Link: near,
		Addrs: []netip.Prefix{
			netip.PrefixFrom(uplink.Host4, uplink.Net4.Bits()), netip.PrefixFrom(uplink.Host6, uplink.Net6.Bits()),
		},
		Gateways: []netip.Addr{uplink.Gateway4, uplink.Gateway6},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		host.Close()
		up.Close()
		var g, f int
		if !eventually(func() bool { g, f = resources(); return g <= goroutines && f <= files }) {
			buf := make([]byte, 1<<20)
			t.Errorf("left behind: %d goroutines, were %d; %d descriptors, were %d\n%s",
				g, goroutines, f, files, buf[:runtime.Stack(buf, true)])
		}
	})
	server.Serve(up.Stack(), nil)
	return server, host
}

func resources() (goroutines, files int) {
	entries, _ := os.ReadDir("/proc/self/fd")
	return runtime.NumGoroutine(), len(entries)
}

func eventually(ok func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

// listen opens a TCP server in the sandbox that hands out its connections.
func listen(t *testing.T, host *stack.Stack, at string) <-chan stack.Conn {
	t.Helper()
	l, err := host.ListenTCP(netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conns := make(chan stack.Conn)
	go func() {
		defer close(conns)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			conns <- c.(stack.Conn)
		}
	}()
	return conns
}

func dial(t *testing.T, to netip.AddrPort) *net.TCPConn {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTCP(t *testing.T) {
	for name, c := range map[string]struct {
		host netip.Addr
		box  string
		from netip.Addr // whom the program sees
	}{
		"v4":         {host4, "10.0.2.100:80", uplink.Gateway4},
		"v6":         {host6, "[fd00:2::64]:80", uplink.Gateway6},
		"v6 over v4": {host6, "0.0.0.0:80", uplink.Gateway4},
		"v4 over v6": {host4, "[fd00:2::64]:80", uplink.Gateway6},
	} {
		t.Run(name, func(t *testing.T) {
			server, host := newRig(t, Spec{Addr: c.host, Port: 80})
			conns := listen(t, host, c.box)
			client := dial(t, server.Addrs()[0])
			program := <-conns
			if got := program.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(); got != c.from {
				t.Errorf("the program's client is %v, want %v", got, c.from)
			}
			io.WriteString(client, "question")
			client.CloseWrite()
			if got, err := io.ReadAll(program); string(got) != "question" || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
			io.WriteString(program, "answer")
			program.Close()
			if got, err := io.ReadAll(client); string(got) != "answer" || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
		})
	}
}

func TestReset(t *testing.T) {
	server, host := newRig(t, Spec{Addr: host4, Port: 80})
	conns := listen(t, host, "0.0.0.0:80")
	client := dial(t, server.Addrs()[0])
	(<-conns).Abort()
	if _, err := io.Copy(io.Discard, client); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("program resets: the client's read gives %v, want ECONNRESET", err)
	}
	client = dial(t, server.Addrs()[0])
	program := <-conns
	client.SetLinger(0)
	client.Close()
	if _, err := io.Copy(io.Discard, program); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("client resets: the program's read gives %v, want ECONNRESET", err)
	}
	program.Close()
}

func TestNothingListens(t *testing.T) {
	server, _ := newRig(t, Spec{Addr: host4, Port: 80}, Spec{Addr: host6, Port: 80})
	for _, at := range server.Addrs() {
		client, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(at))
		if err == nil { // else the reset came before connect(2) looked
			client.SetDeadline(time.Now().Add(patience))
			_, err = io.Copy(io.Discard, client)
			client.Close()
		}
		if !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("%v: %v, want ECONNRESET", at, err)
		}
	}
	if got := server.Stats().TCPUnanswered; got != 2 {
		t.Errorf("counted %d unanswered, want 2", got)
	}
}

func TestManyConnections(t *testing.T) {
	const clients = 300
	server, host := newRig(t, Spec{Addr: host4, Port: 80})
	conns := listen(t, host, "0.0.0.0:80")
	go func() {
		for c := range conns {
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(server.Addrs()[0]))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, "hello")
			c.CloseWrite()
			if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if !eventually(func() bool { return server.flows.Open() == 0 }) {
		t.Errorf("%d flows are open", server.flows.Open())
	}
}

// TestCloseEndsConnections: Close resets what is open.
func TestCloseEndsConnections(t *testing.T) {
	server, host := newRig(t, Spec{Addr: host4, Port: 80})
	conns := listen(t, host, "0.0.0.0:80")
	client := dial(t, server.Addrs()[0])
	program := <-conns
	server.Close()
	if _, err := io.Copy(io.Discard, client); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("%v, want ECONNRESET", err)
	}
	program.Close()
}

// TestDrain: what the program had written before it went reaches the client.
func TestDrain(t *testing.T) {
	const size = 8 << 20
	server, host := newRig(t, Spec{Addr: host4, Port: 80})
	conns := listen(t, host, "0.0.0.0:80")
	client := dial(t, server.Addrs()[0])
	client.CloseWrite()
	program := <-conns
	got := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, client)
		got <- n
	}()
	if _, err := program.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	program.Close()
	server.Drain(t.Context())
	server.Close()
	if n := <-got; n != size {
		t.Errorf("the client got %d bytes of %d", n, size)
	}
}

func TestTakenPort(t *testing.T) {
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcpPort := tcp.Addr().(*net.TCPAddr).AddrPort().Port()
	udpPort := udp.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	_, files := resources()
	for _, spec := range []Spec{
		{Addr: host4, HostPort: tcpPort, Port: 80},
		{HostPort: tcpPort, Port: 80},
		{Addr: host6, HostPort: udpPort, Port: 53, Proto: UDP},
		{HostPort: udpPort, Port: 53, Proto: UDP},
	} {
		_, err := Listen([]Spec{{Addr: host4, Port: 80}, spec}, nil)
		if err == nil {
			t.Errorf("%v: no error", spec)
			continue
		}
		if msg := err.Error(); !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(msg, spec.String()) || !strings.Contains(msg, "already taken") {
			t.Errorf("%v: %v", spec, err)
		}
	}
	if _, now := resources(); now != files {
		t.Errorf("%d descriptors, were %d", now, files)
	}
}

// TestAllAddresses: without an address both IP versions are served.
func TestAllAddresses(t *testing.T) {
	port := freePort(t)
	server, host := newRig(t, Spec{HostPort: port, Port: 80})
	if got := len(server.Addrs()); got != 2 {
		t.Fatalf("listening on %v", server.Addrs())
	}
	conns := listen(t, host, "0.0.0.0:80")
	for _, at := range []netip.Addr{host4, host6, netip.MustParseAddr("127.0.0.9")} {
		client := dial(t, netip.AddrPortFrom(at, port))
		program := <-conns
		io.WriteString(program, "x")
		program.Close()
		if got, err := io.ReadAll(client); string(got) != "x" || err != nil {
			t.Errorf("%v: %q, %v", at, got, err)
		}
	}
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) uint16 {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}
