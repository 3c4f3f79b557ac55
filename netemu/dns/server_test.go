package dns

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// checkLeaks fails the test if goroutines that run code of this package or of
// miekg's are left at its end.
func checkLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var stacks string
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			buf := make([]byte, 1<<20)
			stacks = string(buf[:runtime.Stack(buf, true)])
			if strings.Count(stacks, "ActivateAndServe")+strings.Count(stacks, "serveTCPConn")+strings.Count(stacks, "serveUDPPacket")+strings.Count(stacks, "ServeDNS") == 0 {
				return
			}
		}
		t.Errorf("goroutines left:\n%s", stacks)
	})
}

// loopbackNetwork is a Network of kernel sockets on 127.0.0.1 with ports of
// the kernel's choice.
type loopbackNetwork struct {
	udp, tcp net.Addr
	fail     bool
}

func (n *loopbackNetwork) ListenUDP(a netip.AddrPort) (net.PacketConn, error) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err == nil {
		n.udp = pc.LocalAddr()
	}
	return pc, err
}

func (n *loopbackNetwork) ListenTCP(a netip.AddrPort) (net.Listener, error) {
	if n.fail {
		return nil, errors.New("address in use")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		n.tcp = l.Addr()
	}
	return l, err
}

func TestServer(t *testing.T) {
	checkLeaks(t)
	var n loopbackNetwork
	s := NewServer(hostZone(), nil)
	defer s.Close()
	if err := s.Listen(&n, nameserver); err != nil {
		t.Fatal(err)
	}
	for network, addr := range map[string]string{"udp": n.udp.String(), "tcp": n.tcp.String()} {
		c := dns.Client{Net: network, Timeout: 5 * time.Second}
		m, _, err := c.Exchange(question("host.netbox", dns.TypeA), addr)
		if err != nil {
			t.Fatal(network, err)
		}
		if got := brief(m); got != "NOERROR; host.netbox. 60 IN A 10.0.2.2" {
			t.Error(network, got)
		}
	}
	s.Close()
	if err := s.Listen(&loopbackNetwork{}, nameserver); !errors.Is(err, errClosed) {
		t.Errorf("Listen after Close: %v", err)
	}
	if c, err := net.Dial("tcp", n.tcp.String()); err == nil {
		c.Close()
		t.Error("the listener survived Close")
	}
}

func TestServerListenError(t *testing.T) {
	checkLeaks(t)
	s := NewServer(hostZone(), nil)
	err := s.Listen(&loopbackNetwork{fail: true}, nameserver)
	s.Close()
	if err == nil || !strings.Contains(err.Error(), "resolver at 10.0.2.3:53: tcp: address in use") {
		t.Error(err)
	}
}

// Close ends questions in flight and connections that stand idle, that sent
// half a question, or whose program does not read.
func TestServerCloseDoesNotWait(t *testing.T) {
	checkLeaks(t)
	f := forwarder(t, time.Hour, silent(t))
	var n loopbackNetwork
	s := NewServer(hostZone().Over(f), nil)
	if err := s.Listen(&n, nameserver); err != nil {
		t.Fatal(err)
	}
	dial := func(network, addr string, write []byte) {
		c, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write(write); err != nil {
			t.Fatal(err)
		}
	}
	stuck, err := question("name.test", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	dial("udp", n.udp.String(), stuck)
	dial("tcp", n.tcp.String(), nil)
	dial("tcp", n.tcp.String(), []byte{0, byte(len(stuck)), 1, 2, 3})
	deaf(t, s)
	for deadline := time.Now().Add(5 * time.Second); len(f.inFlight) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the question did not reach the forwarder")
		}
	}
	start := time.Now()
	f.Close()
	s.Close()
	if d := time.Since(start); d > time.Second {
		t.Errorf("Close took %v", d)
	}
}

// Stop frees the ports while a question is in flight; Close joins it later.
func TestServerStop(t *testing.T) {
	checkLeaks(t)
	f := forwarder(t, time.Hour, silent(t))
	var n loopbackNetwork
	s := NewServer(f, nil)
	if err := s.Listen(&n, nameserver); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", n.udp.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q, err := question("name.test", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(q); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); len(f.inFlight) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the question did not reach the forwarder")
		}
	}
	s.Stop()
	pc, err := net.ListenPacket("udp", n.udp.String())
	if err != nil {
		t.Fatal(err)
	}
	pc.Close()
	l, err := net.Listen("tcp", n.tcp.String())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if len(f.inFlight) != 1 {
		t.Error("the question is not in flight any more")
	}
	f.Close()
	s.Close()
}

// deaf is a connection whose program asks, reads the first byte of the answer,
// and no more. A pipe has no buffer, so the server's write is stuck by then.
func deaf(t *testing.T, s *Server) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	l := &oneConn{conn: theirs, closed: make(chan struct{})}
	if err := s.ServeStream(l); err != nil {
		t.Fatal(err)
	}
	q, err := question("host.netbox", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// oneConn is a listener to which one connection comes.
type oneConn struct {
	conn   net.Conn
	given  bool
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.given {
		l.given = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

func TestServerMalformed(t *testing.T) {
	checkLeaks(t)
	var n loopbackNetwork
	s := NewServer(hostZone(), nil)
	defer s.Close()
	if err := s.Listen(&n, nameserver); err != nil {
		t.Fatal(err)
	}
	good, err := question("host.netbox", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	edit := func(at int, b ...byte) []byte {
		p := bytes.Clone(good)
		copy(p[at:], b)
		return p
	}
	for _, tc := range []struct {
		name  string
		wire  []byte
		rcode int // -1: no answer
	}{
		{"empty", nil, -1},
		{"shorter than a header", good[:11], -1},
		{"an answer", edit(2, 0x80), -1},
		{"no question", edit(4, 0, 0), dns.RcodeFormatError},
		{"two questions", edit(4, 0, 2), dns.RcodeFormatError},
		{"cut in the name", good[:15], dns.RcodeFormatError},
		{"opcode UPDATE", edit(2, 5<<3), dns.RcodeNotImplemented},
		{"opcode NOTIFY", edit(2, 4<<3), dns.RcodeNotImplemented},
		{"a pointer to itself", append(bytes.Clone(good[:12]), 0xc0, 12, 0, 1, 0, 1), dns.RcodeFormatError},
		{"longer than we read", append(bytes.Clone(good), make([]byte, 2*maxQuery)...), dns.RcodeSuccess},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := net.Dial("udp", n.udp.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			// The well-formed question behind shows when no answer comes.
			for _, p := range [][]byte{tc.wire, edit(0, 0xaa, 0x55)} {
				if _, err := c.Write(p); err != nil {
					t.Fatal(err)
				}
			}
			got := -1
			for range 2 {
				if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, dns.MaxMsgSize)
				k, err := c.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				m := new(dns.Msg)
				if err := m.Unpack(buf[:k]); err != nil {
					t.Fatal(err)
				}
				if m.Id != 0xaa55 {
					got = m.Rcode
				} else if tc.rcode == -1 {
					break
				}
			}
			if got != tc.rcode {
				t.Errorf("RCODE %d, want %d", got, tc.rcode)
			}
		})
	}
}

// TestServerIdleConnection sees the server end a connection that says nothing.
func TestServerIdleConnection(t *testing.T) {
	checkLeaks(t)
	var n loopbackNetwork
	s := NewServer(hostZone(), nil)
	defer s.Close()
	if err := s.Listen(&n, nameserver); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", n.tcp.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v, want EOF", err)
	}
}
