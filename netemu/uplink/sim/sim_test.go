package sim

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"netbox/netemu/link"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
)

// patience is the longest that a test waits for what must happen.
const patience = 10 * time.Second

// world is a sandbox host and a simulated internet, joined by a link.
type world struct {
	t    testing.TB
	host *stack.Stack
	up   *Uplink
}

// newWorld serves o and checks at the test's end that nothing is left.
func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	up, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOf(t, up)
}

func newWorldOf(t testing.TB, up *Uplink) *world {
	t.Helper()
	t.Cleanup(func() { checkGoroutines(t) })
	a, b := link.New(0)
	host, err := stack.NewHost(stack.HostConfig{
		Link: a,
		Addrs: []netip.Prefix{
			netip.PrefixFrom(uplink.Host4, uplink.Net4.Bits()),
			netip.PrefixFrom(uplink.Host6, uplink.Net6.Bits()),
		},
		Gateways: []netip.Addr{uplink.Gateway4, uplink.Gateway6},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, host: host, up: up}
	t.Cleanup(w.close)
	if err := up.Start(b); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) close() {
	w.host.Close()
	if err := w.up.Close(); err != nil {
		w.t.Error(err)
	}
}

// parsed serves YAML text.
func parsed(t *testing.T, text string) Options {
	t.Helper()
	n, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Options{Internet: n}
}

// checkGoroutines fails the test if goroutines of the uplink, its servers or
// the stacks are left.
func checkGoroutines(t testing.TB) {
	var stacks string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 4<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		var mine []string
		for g := range strings.SplitSeq(stacks, "\n\n") {
			if strings.Contains(g, "checkGoroutines") {
				continue
			}
			if strings.Contains(g, "netbox/") || strings.Contains(g, "gvisor.dev/") || strings.Contains(g, "net/http.") || strings.Contains(g, "miekg/dns") {
				mine = append(mine, g)
			}
		}
		if len(mine) == 0 {
			return
		}
		stacks = strings.Join(mine, "\n\n")
	}
	t.Errorf("goroutines left:\n%s", stacks)
}

func at(addr string) netip.AddrPort { return netip.MustParseAddrPort(addr) }

// dial connects over TCP from the sandbox host.
func (w *world) dial(addr string) (stack.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.host.DialTCP(ctx, netip.AddrPort{}, at(addr), nil)
}

func (w *world) mustDial(addr string) stack.Conn {
	w.t.Helper()
	c, err := w.dial(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) dialUDP(addr string) net.Conn {
	w.t.Helper()
	c, err := w.host.DialUDP(netip.AddrPort{}, at(addr))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// isTimeout: gonet's deadline error is not os.ErrDeadlineExceeded.
func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// udpError is the error that a connected UDP socket gets for one datagram.
func (w *world) udpError(addr string) unix.Errno {
	w.t.Helper()
	family := stack.Inet6
	if at(addr).Addr().Is4() {
		family = stack.Inet4
	}
	e, errno := w.host.NewUDP(family)
	if errno != 0 {
		w.t.Fatal(errno)
	}
	defer e.Close()
	failed := make(chan struct{}, 1)
	defer e.Notify(unix.POLLERR, func() {
		select {
		case failed <- struct{}{}:
		default:
		}
	})()
	if errno := e.Connect(stack.Addr{AddrPort: at(addr)}); errno != 0 {
		w.t.Fatal(errno)
	}
	// Without it Linux tells a connected socket of closed ports only.
	option := stack.RecvErr4
	if family == stack.Inet6 {
		option = stack.RecvErr6
	}
	if errno := e.SetBool(option, true); errno != 0 {
		w.t.Fatal(errno)
	}
	if _, errno := e.Send([]byte("x"), nil, nil); errno != 0 {
		w.t.Fatal(errno)
	}
	select {
	case <-failed:
	case <-time.After(patience):
	}
	return e.TakeError()
}

// pinger sends echo requests from a raw socket of the sandbox host, as
// ping(8) does.
type pinger struct {
	t     testing.TB
	e     *stack.Endpoint
	dst   netip.Addr
	ready chan struct{}
}

func (w *world) pinger(dst string) *pinger {
	w.t.Helper()
	p := &pinger{t: w.t, dst: netip.MustParseAddr(dst), ready: make(chan struct{}, 1)}
	family, proto := stack.Inet6, uint8(unix.IPPROTO_ICMPV6)
	if p.dst.Is4() {
		family, proto = stack.Inet4, unix.IPPROTO_ICMP
	}
	e, errno := w.host.NewRaw(family, proto)
	if errno != 0 {
		w.t.Fatal(errno)
	}
	p.e = e
	cancel := e.Notify(unix.POLLIN, func() {
		select {
		case p.ready <- struct{}{}:
		default:
		}
	})
	w.t.Cleanup(func() { cancel(); e.Close() })
	return p
}

func (p *pinger) send(seq int, payload string) {
	p.t.Helper()
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 77, Seq: seq, Data: []byte(payload)}}
	if !p.dst.Is4() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	wire, err := m.Marshal(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	to := stack.Addr{AddrPort: netip.AddrPortFrom(p.dst, 0)}
	if n, errno := p.e.Send(wire, &to, nil); errno != 0 || n != len(wire) {
		p.t.Fatalf("send: %d, %v", n, errno)
	}
}

// receive gives the next message that is no echo request, who sent it, and
// its TTL (IPv4; 0 for IPv6). nil: none came in d.
func (p *pinger) receive(d time.Duration) (*icmp.Message, netip.Addr, int) {
	p.t.Helper()
	deadline := time.After(d)
	buf := make([]byte, 1<<16)
	for {
		g, errno := p.e.Receive(buf, false)
		if errno == unix.EAGAIN {
			select {
			case <-p.ready:
				continue
			case <-deadline:
				return nil, netip.Addr{}, 0
			}
		}
		if errno != 0 {
			p.t.Fatalf("receive: %v", errno)
		}
		wire, proto, ttl := buf[:g.N], unix.IPPROTO_ICMPV6, 0
		if p.dst.Is4() {
			h, err := ipv4.ParseHeader(wire)
			if err != nil {
				p.t.Fatal(err)
			}
			wire, proto, ttl = wire[h.Len:], unix.IPPROTO_ICMP, h.TTL
		}
		m, err := icmp.ParseMessage(proto, wire)
		if err != nil {
			p.t.Fatal(err)
		}
		if m.Type != ipv4.ICMPTypeEcho && m.Type != ipv6.ICMPTypeEchoRequest {
			return m, g.From.Addr(), ttl
		}
	}
}
