package stack

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// TestGatewayConn: the gateway's conn tells RST from FIN and makes both.
func TestGatewayConn(t *testing.T) {
	conns := make(chan Conn, 1)
	w := newWorld(t, GatewayConfig{TCP: func(r *TCPRequest) {
		if c, err := r.Accept(); err == nil {
			conns <- c
		}
	}})
	open := func() (*Endpoint, Conn) {
		e := tcpSocket(t, w.host, Inet4)
		ok(t, "connect", connect(t, e, ap(far4, 80)))
		select {
		case c := <-conns:
			t.Cleanup(func() { c.Close() })
			if c.LocalAddr().String() != "203.0.113.7:80" {
				t.Errorf("local address %v", c.LocalAddr())
			}
			return e, c
		case <-time.After(patience):
			t.Fatal("no connection")
			return nil, nil
		}
	}
	buf := make([]byte, 16)

	e, c := open()
	e.Abort()
	if _, err := c.Read(buf); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("read after the peer's RST: %v", err)
	}

	e, c = open()
	e.Abort()
	writable := func() (err error) { _, err = c.Write(buf); return err }
	for begin := time.Now(); writable() == nil && time.Since(begin) < patience; {
		time.Sleep(time.Millisecond)
	}
	if _, err := c.Read(buf); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("read after a write had the error: %v", err)
	}

	e, c = open()
	e.Shutdown(false, true)
	if _, err := c.Read(buf); err != io.EOF {
		t.Errorf("read after the peer's FIN: %v", err)
	}
	c.Abort()
	until(t, e, unix.POLLIN)
	_, en := e.ReadStream(io.Discard)
	want(t, "read after Abort", en, unix.ECONNRESET)

	e, c = open()
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := c.Read(buf); !isTimeout(err) {
		t.Errorf("read past the deadline: %v", err)
	}
	c.SetReadDeadline(time.Time{})
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	until(t, e, unix.POLLIN)
	if n, en := e.ReadStream(io.Discard); n != 0 || en != 0 {
		t.Errorf("read after CloseWrite: %d %v", n, en)
	}
	if _, err := (stream{t, e}).Write([]byte("still")); err != nil {
		t.Error(err)
	}
	if n, err := io.ReadFull(c, buf[:5]); err != nil {
		t.Error(n, err)
	}
	blocked := make(chan error, 1)
	go func() {
		_, err := c.Read(buf)
		blocked <- err
	}()
	c.Close()
	select {
	case err := <-blocked:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("read during Close: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Close did not wake Read")
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// TestSoftError: an ICMP error about a live connection is no SO_ERROR and does
// not end it.
func TestSoftError(t *testing.T) {
	conns := make(chan Conn, 1)
	w := newWorld(t, GatewayConfig{TCP: func(r *TCPRequest) {
		if c, err := r.Accept(); err == nil {
			conns <- c
		}
	}})
	e := tcpSocket(t, w.host, Inet4)
	ok(t, "connect", connect(t, e, ap(far4, 80)))
	c := <-conns
	defer c.Close()
	local, en := e.Local()
	ok(t, "getsockname", en)
	h := make([]byte, header.TCPMinimumSize)
	header.TCP(h).Encode(&header.TCPFields{SrcPort: local.Port(), DstPort: 80, DataOffset: header.TCPMinimumSize})
	w.far.sendUnreachable(sandbox4, far4, UnreachableHost, ipPacket(sandbox4, far4, header.TCPProtocolNumber, 64, 0, h))
	if _, err := c.Write([]byte("after")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if _, err := io.ReadFull(stream{t, e}, buf); err != nil || string(buf) != "after" {
		t.Errorf("%q %v", buf, err)
	}
	if n := w.host.net.Stats().ICMP.V4.PacketsReceived.DstUnreachable.Value(); n != 1 {
		t.Errorf("%d errors arrived", n)
	}
	want(t, "SO_ERROR", e.TakeError(), 0)
}
