package nat

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/world"
)

// nearVariable marks the test binary that was started again in the near
// namespace.
const nearVariable = "NETBOX_TEST_NAT_NEAR"

// Addresses of package world's far host, and what the router and the near
// host say about others.
var (
	far4       = netip.MustParseAddr("8.8.8.8")
	far6       = netip.MustParseAddr("2001:4860:4860::8888")
	rejected   = netip.MustParseAddr("198.51.100.7") // ICMP host unreachable by the router
	dropped    = netip.MustParseAddr("203.0.113.99") // no answer at all
	noRoute    = netip.MustParseAddr("198.51.100.201")
	prohibited = netip.MustParseAddr("198.51.100.202")
)

// TestFar runs the tests below in the near host of a world, against real
// servers on the far one.
func TestFar(t *testing.T) {
	if os.Getenv(nearVariable) != "" {
		t.Run("TCP", farTCP)
		t.Run("TCPErrors", farTCPErrors)
		t.Run("Silence", farSilence)
		t.Run("UDP", farUDP)
		t.Run("Hops", farHops)
		t.Run("TooLong", farTooLong)
		return
	}
	w := world.New(t)
	for _, err := range []error{
		w.Far.Do(func() error { return serveFar(t) }),
		w.Reject(rejected, true),
		w.Drop(dropped, true),
		w.Near.Run("ip", "route", "add", "throw", noRoute.String()),
		w.Near.Run("ip", "route", "add", "prohibit", prohibited.String()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := w.Near.Command(ctx, self, "-test.run=^TestFar$", "-test.v")
	cmd.Env = append(os.Environ(), nearVariable+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("in the near host:\n%s", out)
	if err != nil {
		t.Error(err)
	}
}

// serveFar opens echo servers on the far host, TCP and UDP, port 7.
func serveFar(t *testing.T) error {
	for _, a := range []netip.Addr{far4, far6} {
		at := netip.AddrPortFrom(a, 7)
		var l *net.TCPListener
		var err error
		eventually(func() bool { // an IPv6 address is tentative for a moment, nodad or not
			l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
			return !errors.Is(err, unix.EADDRNOTAVAIL)
		})
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		go echoServer(l)
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return err
		}
		t.Cleanup(func() { u.Close() })
		go echoUDP(u)
	}
	return nil
}

func farTCP(t *testing.T) {
	const size = 4 << 20
	r := newRig(t, Config{})
	for _, a := range []netip.Addr{far4, far6} {
		c := r.mustDial(netip.AddrPortFrom(a, 7))
		src, sum := noise(size)
		go func() {
			io.Copy(c, src)
			c.CloseWrite()
		}()
		if got := copySum(t, "echo of "+a.String(), c); string(got) != string(sum.Sum(nil)) {
			t.Errorf("%v: the bytes that came back are not those that were sent", a)
		}
	}
}

func farTCPErrors(t *testing.T) {
	r := newRig(t, Config{})
	for dst, want := range map[netip.AddrPort]unix.Errno{
		netip.AddrPortFrom(far4, 9):             unix.ECONNREFUSED,
		netip.AddrPortFrom(far6, 9):             unix.ECONNREFUSED,
		netip.AddrPortFrom(rejected, 7):         unix.EHOSTUNREACH,
		netip.AddrPortFrom(noRoute, 7):          unix.ENETUNREACH,
		netip.AddrPortFrom(prohibited, 7):       unix.EHOSTUNREACH, // what ICMP code 13 gives
		netip.AddrPortFrom(loopback4, 7):        unix.ECONNREFUSED, // the sandbox's own
		netip.AddrPortFrom(families[0].host, 7): unix.ECONNREFUSED,
	} {
		if _, err := r.dial(dst); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", dst, err, want)
		}
	}
}

// farSilence: a host that does not answer is silence for the sandbox too, so
// that its own SYN timer decides; Close does not wait for it.
func farSilence(t *testing.T) {
	r := newRig(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err := r.host.DialTCP(ctx, netip.AddrPort{}, netip.AddrPortFrom(dropped, 7), nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want no answer at all", err)
	}
	if got := r.nat.dials.Load(); got != 1 {
		t.Errorf("%d connects in flight, want 1", got)
	}
	began := time.Now()
	r.nat.Close()
	if took := time.Since(began); took > patience/2 {
		t.Errorf("Close took %v", took)
	}
	if got := r.nat.dials.Load(); got != 0 {
		t.Errorf("%d connects in flight after Close", got)
	}
}

func farUDP(t *testing.T) {
	r := newRig(t, Config{})
	buf := make([]byte, maxDatagram)
	for _, a := range []netip.Addr{far4, far6} {
		c := r.dialUDP(netip.AddrPortFrom(a, 7))
		for _, size := range []int{5, 0, 1472, 20000} { // fragments on the way
			c.Write(make([]byte, size))
			if n, err := c.Read(buf); err != nil || n != size {
				t.Errorf("%v: %d bytes: got %d, %v", a, size, n, err)
			}
		}
		e := r.socketUDP(netip.AddrPortFrom(a, 9))
		e.Send([]byte("anyone?"), nil, nil)
		if got := refusal(e); got != unix.ECONNREFUSED {
			t.Errorf("%v port 9: %v, want ECONNREFUSED", a, got)
		}
	}
}
