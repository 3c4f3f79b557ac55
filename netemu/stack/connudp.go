package stack

import (
	"bytes"
	"net"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// connUDP is a connected UDP socket: each Read and Write is one datagram.
// Other than gonet's its Read is woken by ICMP errors, and says which in a
// unix.Errno. It is a net.PacketConn because that is how miekg/dns knows
// datagrams.
type connUDP struct{ c *conn }

var _ net.PacketConn = connUDP{}

func newConnUDP(ep tcpip.Endpoint, wq *waiter.Queue) net.Conn {
	c := newConn(ep, wq)
	c.network = "udp"
	c.local, c.remote = udpAddr(c.local), udpAddr(c.remote)
	return connUDP{c}
}

// udpAddr turns an address that newConn has found; nil stays.
func udpAddr(a net.Addr) net.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return &net.UDPAddr{IP: t.IP, Port: t.Port}
	}
	return a
}

// Read implements net.Conn. What p has no room for is lost.
func (u connUDP) Read(p []byte) (int, error) {
	return u.c.await("read", waiter.ReadableEvents, &u.c.read, func() (int, tcpip.Error) {
		w := tcpip.SliceWriter(p)
		res, err := u.c.ep.Read(&w, tcpip.ReadOptions{})
		return res.Count, err
	})
}

// Write implements net.Conn.
func (u connUDP) Write(p []byte) (int, error) {
	return u.c.await("write", waiter.WritableEvents, &u.c.write, func() (int, tcpip.Error) {
		n, err := u.c.ep.Write(bytes.NewReader(p), tcpip.WriteOptions{})
		return int(n), err
	})
}

// ReadFrom implements net.PacketConn.
func (u connUDP) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := u.Read(p)
	return n, u.c.remote, err
}

// WriteTo implements net.PacketConn: an error, as for a *net.UDPConn that is
// connected.
func (u connUDP) WriteTo([]byte, net.Addr) (int, error) {
	return 0, u.c.opError("write", net.ErrWriteToConnected)
}

// Close implements net.Conn.
func (u connUDP) Close() error { return u.c.Close() }

// LocalAddr implements net.Conn.
func (u connUDP) LocalAddr() net.Addr { return u.c.local }

// RemoteAddr implements net.Conn.
func (u connUDP) RemoteAddr() net.Addr { return u.c.remote }

// SetDeadline implements net.Conn.
func (u connUDP) SetDeadline(t time.Time) error { return u.c.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (u connUDP) SetReadDeadline(t time.Time) error { return u.c.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (u connUDP) SetWriteDeadline(t time.Time) error { return u.c.SetWriteDeadline(t) }
