package programs

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"netbox/test/bed"
)

// listen opens a TCP listener on the other host; port 0 takes a free one.
func (s *Site) listen(t *testing.T, a netip.Addr, port uint16) net.Listener {
	t.Helper()
	var l net.Listener
	err := s.Outside.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(a, port).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// listenPacket opens a UDP socket on the other host.
func (s *Site) listenPacket(t *testing.T, a netip.Addr, port uint16) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := s.Outside.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, port)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// dial connects from the other host, trying for up to ten seconds: the
// program under test is still starting.
func (s *Site) dial(t *testing.T, a netip.AddrPort) *net.TCPConn {
	t.Helper()
	var c *net.TCPConn
	ok := bed.Eventually(10*time.Second, func() bool {
		return s.Outside.Do(func() (err error) {
			c, err = net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(a))
			return err
		}) == nil
	})
	if !ok {
		t.Fatalf("no connection to %v from outside", a)
	}
	t.Cleanup(func() { c.Close() })
	err := c.SetDeadline(time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dialPacket connects a UDP socket of the other host.
func (s *Site) dialPacket(t *testing.T, a netip.AddrPort) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := s.Outside.Do(func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(a))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// serveHTTP serves h on the other host, on a free port of both families'
// addresses, and returns the port.
func (s *Site) serveHTTP(t *testing.T, h http.Handler) uint16 {
	t.Helper()
	l := s.listen(t, s.Serve4, 0)
	port := portOf(l.Addr())
	server := &http.Server{Handler: h}
	go server.Serve(l)
	go server.Serve(s.listen(t, s.Serve6, port))
	t.Cleanup(func() { server.Close() })
	return port
}

// echoTCP serves a TCP echo on the other host on both families and returns
// the port.
func (s *Site) echoTCP(t *testing.T) uint16 {
	t.Helper()
	l := s.listen(t, s.Serve4, 0)
	port := portOf(l.Addr())
	go echoAll(l)
	go echoAll(s.listen(t, s.Serve6, port))
	return port
}

func echoAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			// A reset is the client's business.
			_, _ = io.Copy(c, c)
		}()
	}
}

// echoUDP serves a UDP echo on the other host on both families and returns
// the port.
func (s *Site) echoUDP(t *testing.T) uint16 {
	t.Helper()
	c := s.listenPacket(t, s.Serve4, 0)
	port := portOf(c.LocalAddr())
	go echoPackets(c)
	go echoPackets(s.listenPacket(t, s.Serve6, port))
	return port
}

func echoPackets(c *net.UDPConn) {
	p := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDPAddrPort(p)
		if err != nil {
			return
		}
		// The client may be gone.
		_, _ = c.WriteToUDPAddrPort(p[:n], from)
	}
}

func portOf(a net.Addr) uint16 { return netip.MustParseAddrPort(a.String()).Port() }
