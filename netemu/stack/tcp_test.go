package stack

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echoServer echoes each connection on a real host socket until its client
// shuts down.
func echoServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func TestTCPRelay(t *testing.T) {
	w := newWorld(t, GatewayConfig{TCP: relayTCP(echoServer(t))})
	for _, dst := range []Addr{ap(far4, 80), ap(far6, 80)} {
		f := Inet4
		if dst.Addr().Is6() {
			f = Inet6
		}
		e := tcpSocket(t, w.host, f)
		ok(t, "connect", connect(t, e, dst))
		peer, en := e.Remote()
		ok(t, "getpeername", en)
		if peer.AddrPort != dst.AddrPort {
			t.Errorf("peer %v, want %v", peer, dst)
		}
		data := make([]byte, 8<<20)
		rand.Read(data)
		sent := make(chan error, 1)
		go func() {
			_, err := stream{t, e}.Write(data)
			if err == nil {
				if en := e.Shutdown(false, true); en != 0 {
					err = en
				}
			}
			sent <- err
		}()
		got, err := io.ReadAll(stream{t, e})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("echoed %d bytes differ from %d sent", len(got), len(data))
		}
	}
}

func TestTCPConnectErrors(t *testing.T) {
	codes := map[uint16]Unreachable{1: UnreachableNet, 2: UnreachableHost, 3: UnreachablePort, 4: UnreachableProhibited}
	w := newWorld(t, GatewayConfig{TCP: func(r *TCPRequest) {
		if c, found := codes[r.Dst.Port()]; found {
			r.Unreachable(c)
			return
		}
		r.Refuse()
	}})
	for _, c := range []struct {
		dst  Addr
		want unix.Errno
	}{
		{ap(far4, 9), unix.ECONNREFUSED},
		{ap(far4, 1), unix.ENETUNREACH},
		{ap(far4, 2), unix.EHOSTUNREACH},
		{ap(far4, 3), unix.ECONNREFUSED},
		{ap(far4, 4), unix.EHOSTUNREACH},
		{ap(far6, 9), unix.ECONNREFUSED},
		{ap(far6, 1), unix.ENETUNREACH},
		{ap(far6, 2), unix.EHOSTUNREACH},
		{ap(far6, 3), unix.ECONNREFUSED},
		{at("127.0.0.1:9"), unix.ECONNREFUSED},
		{at("[::1]:9"), unix.ECONNREFUSED},
		{at("0.0.0.0:9"), unix.ECONNREFUSED},
		{at("[::]:9"), unix.ECONNREFUSED},
		{ap(gateway4, 9), unix.ECONNREFUSED},
		{ap(sandbox4, 9), unix.ECONNREFUSED},
	} {
		f := Inet4
		if c.dst.Addr().Is6() {
			f = Inet6
		}
		start := time.Now()
		want(t, c.dst.String(), connect(t, tcpSocket(t, w.host, f), c.dst), c.want)
		if d := time.Since(start); d > time.Second {
			t.Errorf("%v took %v", c.dst, d)
		}
	}
}

func TestNoLink(t *testing.T) {
	s := newLoop(t)
	if is := s.Interfaces(); len(is) != 1 || is[0].Name != "lo" || !is[0].Up || !is[0].Loopback || is[0].MTU != 65536 {
		t.Errorf("interfaces %+v", is)
	}
	for _, dst := range []Addr{ap(far4, 80), ap(far6, 80), ap(sandbox4, 80)} {
		f := Inet4
		if dst.Addr().Is6() {
			f = Inet6
		}
		want(t, "tcp connect", tcpSocket(t, s, f).Connect(dst), unix.ENETUNREACH)
		want(t, "udp connect", udpSocket(t, s, f).Connect(dst), unix.ENETUNREACH)
		_, en := udpSocket(t, s, f).Send([]byte("x"), &dst, nil)
		want(t, "udp sendto", en, unix.ENETUNREACH)
	}
	want(t, "bind to eth0's address", udpSocket(t, s, Inet4).Bind(ap(sandbox4, 0)), unix.EADDRNOTAVAIL)
}

// accepted connects a client to a new listener on addr.
func accepted(t *testing.T, s *Stack, lf, cf Family, bind, dst Addr) (client, server *Endpoint) {
	t.Helper()
	l := tcpSocket(t, s, lf)
	ok(t, "bind", l.Bind(bind))
	ok(t, "listen", l.Listen(10))
	local, en := l.Local()
	ok(t, "getsockname", en)
	client = tcpSocket(t, s, cf)
	ok(t, "connect", connect(t, client, ap(dst.Addr(), local.Port())))
	until(t, l, unix.POLLIN)
	server, peer, en := l.Accept()
	ok(t, "accept", en)
	t.Cleanup(server.Close)
	if peer.Addr().Is4() != (lf == Inet4) {
		t.Errorf("peer %v for listener family %d", peer, lf)
	}
	return client, server
}

func TestLoopback(t *testing.T) {
	s := newLoop(t)
	for _, c := range []struct {
		name      string
		lf, cf    Family
		bind, dst Addr
	}{
		{"v4", Inet4, Inet4, at("127.0.0.1:0"), at("127.0.0.1:0")},
		{"127.0.0.53", Inet4, Inet4, at("127.0.0.53:0"), at("127.0.0.53:0")},
		{"any", Inet4, Inet4, at("0.0.0.0:0"), at("127.1.2.3:0")},
		{"v6", Inet6, Inet6, at("[::1]:0"), at("[::1]:0")},
		{"dual stack, v4 client", Inet6, Inet4, at("[::]:0"), at("127.0.0.1:0")},
		{"dual stack, mapped client", Inet6, Inet6, at("[::]:0"), at("[::ffff:127.0.0.1]:0")},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, server := accepted(t, s, c.lf, c.cf, c.bind, c.dst)
			if _, err := (stream{t, client}).Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 4)
			if _, err := io.ReadFull(stream{t, server}, buf); err != nil || string(buf) != "ping" {
				t.Fatal(string(buf), err)
			}
			if st := client.TCPState(); st != 1 {
				t.Errorf("state %d, want TCP_ESTABLISHED", st)
			}
			ok(t, "shutdown", client.Shutdown(false, true))
			if _, err := (stream{t, server}).Read(buf); err != io.EOF {
				t.Fatal("after FIN:", err)
			}
			if _, err := (stream{t, server}).Write([]byte("pong")); err != nil {
				t.Fatal("after FIN:", err)
			}
			if _, err := io.ReadFull(stream{t, client}, buf); err != nil || string(buf) != "pong" {
				t.Fatal(string(buf), err)
			}
			_, en := client.WriteStream([]byte("x"))
			want(t, "write after shutdown", en, unix.EPIPE)
		})
	}
}

func TestV6Only(t *testing.T) {
	s := newLoop(t)
	l := tcpSocket(t, s, Inet6)
	ok(t, "v6only", l.SetBool(V6Only, true))
	ok(t, "bind", l.Bind(at("[::]:7000")))
	ok(t, "listen", l.Listen(1))
	want(t, "v4 client", connect(t, tcpSocket(t, s, Inet4), at("127.0.0.1:7000")), unix.ECONNREFUSED)
	c := tcpSocket(t, s, Inet6)
	ok(t, "v6only", c.SetBool(V6Only, true))
	want(t, "mapped", c.Connect(at("[::ffff:127.0.0.1]:7000")), unix.ENETUNREACH)
	if v, _ := tcpSocket(t, s, Inet6).GetBool(V6Only); v {
		t.Error("V6ONLY is on by default")
	}
}

func TestReset(t *testing.T) {
	s := newLoop(t)
	client, server := accepted(t, s, Inet4, Inet4, at("127.0.0.1:0"), at("127.0.0.1:0"))
	server.SetLinger(true, 0)
	server.Close()
	until(t, client, unix.POLLIN)
	_, en := client.ReadStream(io.Discard)
	want(t, "read after RST", en, unix.ECONNRESET)
	_, en = client.WriteStream([]byte("x"))
	want(t, "write after RST", en, unix.EPIPE)
	want(t, "what it broke with", client.Failure(), unix.ECONNRESET)

	client, server = accepted(t, s, Inet4, Inet4, at("127.0.0.1:0"), at("127.0.0.1:0"))
	if _, err := (stream{t, client}).Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	until(t, server, unix.POLLIN)
	server.Close()
	until(t, client, unix.POLLIN)
	_, en = client.ReadStream(io.Discard)
	want(t, "read after close with unread data", en, unix.ECONNRESET)
}

// TestShortWriter: what a writer does not take is not lost.
func TestShortWriter(t *testing.T) {
	s := newLoop(t)
	client, server := accepted(t, s, Inet4, Inet4, at("127.0.0.1:0"), at("127.0.0.1:0"))
	if _, err := (stream{t, client}).Write([]byte("abcdefgh")); err != nil {
		t.Fatal(err)
	}
	until(t, server, unix.POLLIN)
	var got bytes.Buffer
	n, en := server.ReadStream(stingy{&got, 3})
	if n != 3 || en != 0 {
		t.Fatalf("%d %v", n, en)
	}
	_, en = server.ReadStream(stingy{&got, 0})
	want(t, "writer that takes nothing", en, unix.EFAULT)
	n, en = server.ReadStream(&got)
	if n != 5 || en != 0 || got.String() != "abcdefgh" {
		t.Fatalf("%d %v %q", n, en, got.String())
	}
	_, en = server.ReadStream(&got)
	want(t, "empty", en, unix.EAGAIN)
}

// stingy takes n bytes of each write and says so.
type stingy struct {
	w io.Writer
	n int
}

func (s stingy) Write(p []byte) (int, error) {
	if len(p) <= s.n {
		return s.w.Write(p)
	}
	s.w.Write(p[:s.n])
	return s.n, io.ErrShortWrite
}
