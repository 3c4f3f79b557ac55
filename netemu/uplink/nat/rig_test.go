package nat

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"netbox/netemu/link"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
	"netbox/netemu/uplink/relay"
	"netbox/test/world"
)

func TestMain(m *testing.M) { world.Main(m) }

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// rig is a sandbox host and its gateway, joined by a link.
type rig struct {
	t    testing.TB
	nat  *NAT
	host *stack.Stack
}

// newRig also checks, when the test has ended, that nothing is left behind.
func newRig(t testing.TB, c Config) *rig {
	t.Helper()
	warmUp(t)
	goroutines, files := resources()
	near, far := link.New(link.DefaultMTU)
	n := New(c)
	if err := n.Start(far); err != nil {
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
		host.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		settle(t, goroutines, files)
	})
	return &rig{t: t, nat: n, host: host}
}

// warmUp makes the runtime open its epoll descriptors, which stay.
func warmUp(t testing.TB) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// resources are the goroutines and descriptors in use.
func resources() (goroutines, files int) {
	entries, _ := os.ReadDir("/proc/self/fd")
	return runtime.NumGoroutine(), len(entries)
}

// resources are those in use besides the goroutines that are kept for the next flows.
func (r *rig) resources() (goroutines, files int) {
	goroutines, files = resources()
	return goroutines - r.nat.running.Idle(), files
}

// settle is settle before Close.
func (r *rig) settle(goroutines, files int) {
	r.t.Helper()
	ok := eventually(func() bool {
		g, f := r.resources()
		return g <= goroutines && f <= files
	})
	if !ok {
		settle(r.t, goroutines, files)
	}
}

// settle waits until no more than these are in use.
func settle(t testing.TB, goroutines, files int) {
	t.Helper()
	var g, f int
	ok := eventually(func() bool {
		g, f = resources()
		return g <= goroutines && f <= files
	})
	if !ok {
		buf := make([]byte, 1<<20)
		t.Errorf("left behind: %d goroutines, were %d; %d descriptors, were %d\n%s",
			g, goroutines, f, files, buf[:runtime.Stack(buf, true)])
	}
}

// eventually polls, within patience.
func eventually(ok func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

func (r *rig) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

// dial connects from the sandbox.
func (r *rig) dial(dst netip.AddrPort) (relay.Conn, error) {
	c, err := r.host.DialTCP(r.context(), netip.AddrPort{}, dst, nil)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(patience))
	return c, nil
}

func (r *rig) mustDial(dst netip.AddrPort) relay.Conn {
	r.t.Helper()
	c, err := r.dial(dst)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// family is one of the two IP versions, as tests go through them.
type family struct {
	name           string
	loopback, host netip.Addr // the host's, and what stands for it in the sandbox
}

var families = []family{
	{"v4", loopback4, uplink.Gateway4},
	{"v6", loopback6, uplink.Gateway6},
}

// listen opens a server on the host's loopback, and tells the address at
// which the sandbox reaches it.
func (f family) listen(t testing.TB) (*net.TCPListener, netip.AddrPort) {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(f.loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.SetDeadline(time.Now().Add(patience))
	return l, netip.AddrPortFrom(f.host, uint16(l.Addr().(*net.TCPAddr).Port))
}

func (f family) listenUDP(t testing.TB) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c, netip.AddrPortFrom(f.host, uint16(c.LocalAddr().(*net.UDPAddr).Port))
}

// pair is a connection from the sandbox to the host's loopback, both ends.
func (r *rig) pair(f family) (relay.Conn, *net.TCPConn) {
	r.t.Helper()
	l, at := f.listen(r.t)
	defer l.Close()
	type accepted struct {
		c   *net.TCPConn
		err error
	}
	server := make(chan accepted, 1)
	go func() {
		c, err := l.AcceptTCP()
		server <- accepted{c, err}
	}()
	client := r.mustDial(at)
	got := <-server
	if got.err != nil {
		r.t.Fatal(got.err)
	}
	got.c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { got.c.Close() })
	return client, got.c
}
