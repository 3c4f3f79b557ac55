package nat

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// dialUDP makes a connected UDP socket in the sandbox.
func (r *rig) dialUDP(dst netip.AddrPort) net.Conn {
	r.t.Helper()
	c, err := r.host.DialUDP(netip.AddrPort{}, dst)
	if err != nil {
		r.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { c.Close() })
	return c
}

// echoUDP answers each datagram with itself until the socket is closed.
func echoUDP(c *net.UDPConn) {
	c.SetDeadline(time.Time{})
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		c.WriteToUDPAddrPort(buf[:n], from)
	}
}

func TestUDPSizes(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			r := newRig(t, Config{HostLoopback: true})
			server, at := f.listenUDP(t)
			go echoUDP(server)
			c := r.dialUDP(at)
			buf := make([]byte, maxDatagram)
			for _, size := range []int{1, 0, 512, 1472, 9000, 65000, 65507, 0, 2} {
				want := bytes.Repeat([]byte{byte(size)}, size)
				if _, err := c.Write(want); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				n, err := c.Read(buf)
				if err != nil || !bytes.Equal(buf[:n], want) {
					t.Fatalf("%d bytes: got %d, %v", size, n, err)
				}
			}
			if got := r.nat.Stats(); got.UDPFlows != 1 || got.UDPOpen != 1 {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

// TestUDPFlowsAreApart: two sockets of the sandbox are two of the host.
func TestUDPFlowsAreApart(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	server, at := families[0].listenUDP(t)
	sources := map[netip.AddrPort]bool{}
	for i := range 20 {
		c := r.dialUDP(at)
		fmt.Fprint(c, i)
		buf := make([]byte, 16)
		n, from, err := server.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		sources[from] = true
		server.WriteToUDPAddrPort(buf[:n], from)
		if n, err = c.Read(buf); err != nil || string(buf[:n]) != fmt.Sprint(i) {
			t.Errorf("socket %d read %q, %v", i, buf[:n], err)
		}
	}
	if len(sources) != 20 {
		t.Errorf("the host used %d sockets, want 20", len(sources))
	}
}

// refusal waits for the socket's pending error, as SO_ERROR would tell it.
func refusal(e *stack.Endpoint) unix.Errno {
	var errno unix.Errno
	eventually(func() bool { errno = e.TakeError(); return errno != 0 })
	return errno
}

func (r *rig) socketUDP(dst netip.AddrPort) *stack.Endpoint {
	r.t.Helper()
	family := stack.Inet6
	if dst.Addr().Is4() {
		family = stack.Inet4
	}
	e, errno := r.host.NewUDP(family)
	if errno == 0 {
		errno = e.Connect(stack.Addr{AddrPort: dst})
	}
	if errno != 0 {
		r.t.Fatal(errno)
	}
	r.t.Cleanup(e.Close)
	return e
}

func TestUDPRefused(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			r := newRig(t, Config{HostLoopback: true})
			server, at := f.listenUDP(t)
			server.Close()
			e := r.socketUDP(at)
			for i := range 3 { // the flow stays and reports each time
				if _, errno := e.Send([]byte("anyone?"), nil, nil); errno != 0 {
					t.Fatal(errno)
				}
				if got := refusal(e); got != unix.ECONNREFUSED {
					t.Errorf("datagram %d: %v, want ECONNREFUSED", i, got)
				}
			}
		})
		t.Run("host loopback not on "+f.name, func(t *testing.T) {
			r := newRig(t, Config{})
			e := r.socketUDP(netip.AddrPortFrom(f.host, 5353))
			e.Send([]byte("anyone?"), nil, nil)
			if got := refusal(e); got != unix.ECONNREFUSED {
				t.Errorf("%v, want ECONNREFUSED", got)
			}
		})
	}
}

// TestUDPServerReturns: after a refusal the same flow reaches a server that
// has come up, and no datagram is lost to the pending error.
func TestUDPServerReturns(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	server, at := families[0].listenUDP(t)
	addr := server.LocalAddr().(*net.UDPAddr)
	server.Close()
	e := r.socketUDP(at)
	e.Send([]byte("early"), nil, nil)
	if got := refusal(e); got != unix.ECONNREFUSED {
		t.Fatalf("%v, want ECONNREFUSED", got)
	}
	server, err := net.ListenUDP("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.SetDeadline(time.Now().Add(patience))
	if _, errno := e.Send([]byte("again"), nil, nil); errno != 0 {
		t.Fatal(errno)
	}
	buf := make([]byte, 16)
	if n, _, err := server.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "again" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func TestUDPExpiry(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true, UDPIdle: 150 * time.Millisecond})
	server, at := families[0].listenUDP(t)
	go echoUDP(server)
	goroutines, files := r.resources()
	c := r.dialUDP(at)
	buf := make([]byte, 8)
	say := func() {
		t.Helper()
		c.Write([]byte("x"))
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	say()
	// Traffic keeps it: three times the limit, a fifth of the limit each.
	for range 15 {
		time.Sleep(30 * time.Millisecond)
		say()
	}
	if got := r.nat.Stats(); got.UDPFlows > 2 { // a stalled machine may lose one
		t.Errorf("a busy flow expired: %+v", got)
	}
	flows := r.nat.Stats().UDPFlows
	if !eventually(func() bool { return r.nat.Stats().UDPOpen == 0 }) {
		t.Fatal("an idle flow did not expire")
	}
	r.settle(goroutines, files)
	say() // the same socket goes on, by a new flow
	if got := r.nat.Stats(); got.UDPFlows != flows+1 || got.UDPExpired == 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestUDPIdleByPort(t *testing.T) {
	n := New(Config{})
	if n.cfg.UDPIdle != 120*time.Second || n.cfg.DNSIdle != 30*time.Second {
		t.Errorf("idle times %v and %v", n.cfg.UDPIdle, n.cfg.DNSIdle)
	}
	n.Close()
}

// TestUDPEviction: a flow too many ends the longest idle one.
func TestUDPEviction(t *testing.T) {
	const bound = 8
	r := newRig(t, Config{HostLoopback: true})
	r.nat.udp.mu.Lock()
	r.nat.udp.max = bound
	r.nat.udp.mu.Unlock()
	server, at := families[0].listenUDP(t)
	go echoUDP(server)
	buf := make([]byte, 8)
	conns := make([]net.Conn, bound+3)
	for i := range conns {
		conns[i] = r.dialUDP(at)
		conns[i].Write([]byte("x"))
		if _, err := conns[i].Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	if !eventually(func() bool { return r.nat.Stats().UDPOpen == bound }) {
		t.Errorf("%d flows, bound %d", r.nat.Stats().UDPOpen, bound)
	}
	if got := r.nat.Stats().UDPEvicted; got != 3 {
		t.Errorf("%d evicted, want 3", got)
	}
	conns[0].Write([]byte("y")) // one of the evicted: a new flow
	if _, err := conns[0].Read(buf); err != nil {
		t.Error(err)
	}
}

// A port that programs have left has no flows any more, those of others go on.
func TestUDPPortLeft(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	var servers []netip.AddrPort
	for range 3 {
		server, at := families[0].listenUDP(t)
		go echoUDP(server)
		servers = append(servers, at)
	}
	goroutines, files := r.resources()
	var ports []uint16
	talk := func(port uint16) {
		t.Helper()
		e, errno := r.host.NewUDP(stack.Inet4)
		if errno != 0 {
			t.Fatal(errno)
		}
		t.Cleanup(e.Close) // one that is closed refuses the answers, which ends flows
		if errno := e.Bind(stack.Addr{AddrPort: netip.AddrPortFrom(netip.IPv4Unspecified(), port)}); errno != 0 {
			t.Fatal(errno)
		}
		for _, at := range servers {
			if _, errno := e.Send([]byte("x"), &stack.Addr{AddrPort: at}, nil); errno != 0 {
				t.Fatal(errno)
			}
		}
		ports = append(ports, port)
	}
	for _, port := range []uint16{4001, 4002, 4003} {
		talk(port)
	}
	if !eventually(func() bool { return r.nat.Stats().UDPOpen == 9 }) {
		t.Fatalf("%d flows, not 9", r.nat.Stats().UDPOpen)
	}
	r.nat.UDPPortLeft(4002)
	r.nat.UDPPortLeft(4444) // nobody was there
	if got := r.nat.Stats(); got.UDPOpen != 6 || got.UDPLeft != 3 {
		t.Errorf("after one port: %+v", got)
	}
	talk(4004)
	if !eventually(func() bool { return r.nat.Stats().UDPOpen == 9 }) {
		t.Errorf("%d flows with another port, not 9", r.nat.Stats().UDPOpen)
	}
	for _, port := range ports {
		r.nat.UDPPortLeft(port)
	}
	if got := r.nat.Stats(); got.UDPOpen != 0 || got.UDPLeft != 12 {
		t.Errorf("after all: %+v", got)
	}
	r.settle(goroutines, files)
}

// TestUDPGroupsStay: multicast and broadcast make no flow and no error.
func TestUDPGroupsStay(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	e, errno := r.host.NewUDP(stack.Inet4)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer e.Close()
	e.SetBool(stack.Broadcast, true)
	for _, dst := range []string{"224.0.0.251:5353", "255.255.255.255:67", "10.0.2.255:9"} {
		to := stack.Addr{AddrPort: netip.MustParseAddrPort(dst)}
		if _, errno := e.Send([]byte("x"), &to, nil); errno != 0 {
			t.Errorf("%s: %v", dst, errno)
		}
	}
	// Those were handled before this: packets keep their order.
	server, at := families[0].listenUDP(t)
	e.Send([]byte("x"), &stack.Addr{AddrPort: at}, nil)
	if _, _, err := server.ReadFromUDPAddrPort(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if got := r.nat.Stats(); got.UDPFlows != 1 {
		t.Errorf("counted %+v, want one flow", got)
	}
	if got := e.TakeError(); got != 0 {
		t.Errorf("an ICMP error came back: %v", got)
	}
}

// TestUDPBurst: what fits the buffers on the way is not lost or reordered.
func TestUDPBurst(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	server, at := families[0].listenUDP(t)
	server.SetReadBuffer(1 << 20)
	c := r.dialUDP(at)
	const count = 100
	for i := range count {
		if _, err := c.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 8)
	for i := range count {
		n, _, err := server.ReadFromUDPAddrPort(buf)
		if err != nil || n != 1 || buf[0] != byte(i) {
			t.Fatalf("datagram %d: %v, %v", i, buf[:n], err)
		}
	}
}

// TestNoBroadcastOfTheHost: a subnet broadcast address of the host is EACCES.
func TestNoBroadcastOfTheHost(t *testing.T) {
	var f udpFlow
	err := f.dial(netip.MustParseAddrPort("127.255.255.255:9"))
	if err == nil {
		f.host.Close()
	}
	if !errors.Is(err, unix.EACCES) {
		t.Errorf("connect to the broadcast address of lo: %v, want EACCES", err)
	}
}

func TestDrainUDP(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	server, at := families[0].listenUDP(t)
	c := r.dialUDP(at)
	c.Write([]byte("last words"))
	c.Close()
	r.nat.Drain(r.context())
	r.nat.Close()
	buf := make([]byte, 16)
	if n, _, err := server.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "last words" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}
