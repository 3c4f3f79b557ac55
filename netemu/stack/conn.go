package stack

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Conn is a TCP connection of a stack. Errors are *net.OpError around the
// unix.Errno, so that a peer's RST (ECONNRESET) differs from its FIN (io.EOF).
type Conn interface {
	net.Conn
	io.WriterTo
	CloseRead() error
	CloseWrite() error // FIN
	Abort()            // RST
	// OnReset calls f, on a goroutine of its own, when the connection has
	// broken: the peer's RST, or too many retransmissions. cancel ends that;
	// a call may be under way then.
	OnReset(f func()) (cancel func())
}

// conn implements Conn. Reads and writes may run side by side and with Close.
type conn struct {
	ep            tcpip.Endpoint
	wq            *waiter.Queue
	network       string // for errors
	local, remote net.Addr
	read, write   deadline
	closeOnce     sync.Once
	closed        chan struct{}
}

// newConn wraps a connected endpoint. It asks for the addresses now, because
// netstack forgets the remote one when the connection ends.
func newConn(ep tcpip.Endpoint, wq *waiter.Queue) *conn {
	c := &conn{ep: ep, wq: wq, network: "tcp", closed: make(chan struct{})}
	c.read.init()
	c.write.init()
	// As package net does for every connection of its own: what a relay or a
	// service writes is a message already.
	ep.SocketOptions().SetDelayOption(false)
	if a, err := ep.GetLocalAddress(); err == nil {
		c.local = tcpAddr(a)
	}
	if a, err := ep.GetRemoteAddress(); err == nil {
		c.remote = tcpAddr(a)
	}
	return c
}

func tcpAddr(a tcpip.FullAddress) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IP(a.Addr.AsSlice()), Port: int(a.Port)}
}

// await calls try until it does something else than ErrWouldBlock: once, then,
// registered for events, again after each of them.
func (c *conn) await(op string, events waiter.EventMask, d *deadline, try func() (int, tcpip.Error)) (int, error) {
	if d.expired() {
		return 0, c.opError(op, os.ErrDeadlineExceeded)
	}
	n, err := try()
	if _, block := err.(*tcpip.ErrWouldBlock); block {
		entry, ready := waiter.NewChannelEntry(events | waiter.EventHUp | waiter.EventErr)
		c.wq.EventRegister(&entry)
		defer c.wq.EventUnregister(&entry)
		for {
			n, err = try()
			if _, block := err.(*tcpip.ErrWouldBlock); !block {
				break
			}
			select {
			case <-ready:
			case <-d.done():
				return n, c.opError(op, os.ErrDeadlineExceeded)
			case <-c.closed:
				return n, c.opError(op, net.ErrClosed)
			}
		}
	}
	switch err.(type) {
	case nil:
		return n, nil
	case *tcpip.ErrClosedForReceive:
		return n, c.endOfRead(op)
	}
	return n, c.opError(op, errno(err))
}

// endOfRead is io.EOF for the peer's FIN and net.ErrClosed after Close. Of a
// connection that has broken it is never EOF: netstack tells the error once, and
// a write may have had it.
func (c *conn) endOfRead(op string) error {
	select {
	case <-c.closed:
		return c.opError(op, net.ErrClosed)
	default:
	}
	if tcp.EndpointState(c.ep.State()) == tcp.StateError {
		return c.opError(op, unix.ECONNRESET)
	}
	return io.EOF
}

func (c *conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.network, Source: c.local, Addr: c.remote, Err: err}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return c.await("read", waiter.ReadableEvents, &c.read, func() (int, tcpip.Error) {
		w := tcpip.SliceWriter(p)
		res, err := c.ep.Read(&w, tcpip.ReadOptions{})
		if err == nil {
			c.ep.ModerateRecvBuf(res.Count)
		}
		return res.Count, err
	})
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := c.await("write", waiter.WritableEvents, &c.write, func() (int, tcpip.Error) {
			n, err := c.ep.Write(bytes.NewReader(p[done:]), tcpip.WriteOptions{})
			return int(n), err
		})
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// copyBuffer is how much WriteTo moves at once: four full packets, so that one
// write(2) of a relay carries a batch of what the link brought.
const copyBuffer = 256 << 10

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}

// WriteTo implements io.WriterTo, so that io.Copy moves large pieces.
func (c *conn) WriteTo(w io.Writer) (int64, error) {
	b := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(b)
	var done int64
	for {
		n, err := c.Read(*b)
		if n > 0 {
			m, werr := w.Write((*b)[:n])
			done += int64(m)
			if werr != nil {
				return done, werr
			}
		}
		if err == io.EOF {
			return done, nil
		}
		if err != nil {
			return done, err
		}
	}
}

// Close implements net.Conn: FIN, or RST when received data was not read.
func (c *conn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	c.ep.Close()
	return nil
}

// Abort implements Conn.
func (c *conn) Abort() {
	c.closeOnce.Do(func() { close(c.closed) })
	c.ep.Abort()
	c.ep.Close()
}

// OnReset implements Conn.
func (c *conn) OnReset(f func()) (cancel func()) {
	var once sync.Once
	check := func() {
		if tcp.EndpointState(c.ep.State()) == tcp.StateError {
			once.Do(func() { go f() })
		}
	}
	// Netstack notifies with locks held, so the state is looked at from
	// another goroutine; hang-ups are few.
	var entry waiter.Entry
	entry.Init(listener(func() { go check() }), waiter.EventHUp|waiter.EventErr)
	c.wq.EventRegister(&entry)
	check()
	return func() { c.wq.EventUnregister(&entry) }
}

// CloseRead implements Conn.
func (c *conn) CloseRead() error { return c.shutdown(tcpip.ShutdownRead) }

// CloseWrite implements Conn.
func (c *conn) CloseWrite() error { return c.shutdown(tcpip.ShutdownWrite) }

func (c *conn) shutdown(how tcpip.ShutdownFlags) error {
	if err := c.ep.Shutdown(how); err != nil {
		return c.opError("close", errno(err))
	}
	return nil
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { c.read.set(t); return nil }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { c.write.set(t); return nil }
