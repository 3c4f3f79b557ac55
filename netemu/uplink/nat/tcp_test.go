package nat

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/uplink"
	"netbox/netemu/uplink/relay"
)

// noise is size bytes that look random, and their checksum once read.
func noise(size int64) (io.Reader, hash.Hash) {
	sum := sha256.New()
	return io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), sum), sum
}

func copySum(t *testing.T, what string, r io.Reader) []byte {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return sum.Sum(nil)
}

func TestBulkBothWays(t *testing.T) {
	const size = 32 << 20
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			r := newRig(t, Config{HostLoopback: true})
			client, server := r.pair(f)
			var wg sync.WaitGroup
			send := func(to relayWriter) hash.Hash {
				src, sum := noise(size)
				if _, err := io.Copy(to, src); err != nil {
					t.Error(err)
				}
				to.CloseWrite()
				return sum
			}
			var up, down hash.Hash
			var upGot, downGot []byte
			wg.Go(func() { up = send(client) })
			wg.Go(func() { down = send(server) })
			wg.Go(func() { upGot = copySum(t, "at the server", server) })
			wg.Go(func() { downGot = copySum(t, "in the sandbox", client) })
			wg.Wait()
			if string(up.Sum(nil)) != string(upGot) || string(down.Sum(nil)) != string(downGot) {
				t.Error("the bytes that came are not those that were sent")
			}
			if !eventually(func() bool { return r.nat.Stats().BytesOut == size && r.nat.Stats().BytesIn == size }) {
				t.Errorf("counted %+v", r.nat.Stats())
			}
		})
	}
}

type relayWriter interface {
	io.Writer
	CloseWrite() error
}

// TestHalfClose: after one side's FIN the other still sends, then ends too.
func TestHalfClose(t *testing.T) {
	type side interface {
		io.ReadWriter
		CloseWrite() error
	}
	check := func(t *testing.T, first, second side) {
		t.Helper()
		io.WriteString(first, "question")
		first.CloseWrite()
		if got, err := io.ReadAll(second); string(got) != "question" || err != nil {
			t.Fatalf("read %q, %v", got, err)
		}
		io.WriteString(second, "ans")
		buf := make([]byte, 3)
		if _, err := io.ReadFull(first, buf); err != nil || string(buf) != "ans" {
			t.Fatalf("after the half-close: read %q, %v", buf, err)
		}
		io.WriteString(second, "wer")
		second.CloseWrite()
		if got, err := io.ReadAll(first); string(got) != "wer" || err != nil {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	for _, f := range families {
		r := newRig(t, Config{HostLoopback: true})
		t.Run("sandbox first "+f.name, func(t *testing.T) { c, s := r.pair(f); check(t, c, s) })
		t.Run("host first "+f.name, func(t *testing.T) { c, s := r.pair(f); check(t, s, c) })
		if !eventually(func() bool { return r.nat.Stats().TCPOpen == 0 }) {
			t.Errorf("%d flows are open", r.nat.Stats().TCPOpen)
		}
	}
}

func readError(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// TestReset: a reset of one side is one of the other, in every state.
func TestReset(t *testing.T) {
	for name, prepare := range map[string]func(c relay.Conn, s *net.TCPConn){
		"idle":               func(relay.Conn, *net.TCPConn) {},
		"after data":         func(c relay.Conn, s *net.TCPConn) { swap(c, s) },
		"after sandbox FIN":  func(c relay.Conn, s *net.TCPConn) { swap(c, s); c.CloseWrite(); io.ReadAll(s) },
		"after host FIN":     func(c relay.Conn, s *net.TCPConn) { swap(c, s); s.CloseWrite(); io.ReadAll(c) },
		"with data to write": func(c relay.Conn, s *net.TCPConn) { fill(c); fill(s) },
	} {
		t.Run("by the host "+name, func(t *testing.T) {
			r := newRig(t, Config{HostLoopback: true})
			c, s := r.pair(families[0])
			prepare(c, s)
			relay.Reset(s)
			if name == "after host FIN" {
				// Its read side has ended; the reset shows when writing.
				var err error
				eventually(func() bool { _, err = c.Write([]byte("x")); return err != nil })
				if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
					t.Errorf("write: %v, want EPIPE or ECONNRESET", err)
				}
			} else if err := readError(c); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("read: %v, want ECONNRESET", err)
			}
			r.noFlows(t)
		})
		t.Run("by the sandbox "+name, func(t *testing.T) {
			r := newRig(t, Config{HostLoopback: true})
			c, s := r.pair(families[0])
			prepare(c, s)
			if name == "after sandbox FIN" {
				// As Linux: abort after FIN sends RST only when the peer
				// sends again.
				c.Abort()
				var err error
				eventually(func() bool { _, err = s.Write([]byte("x")); return err != nil })
				if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
					t.Errorf("write: %v, want EPIPE or ECONNRESET", err)
				}
			} else {
				c.Abort()
				if err := readError(s); !errors.Is(err, unix.ECONNRESET) && name != "after host FIN" {
					t.Errorf("read: %v, want ECONNRESET", err)
				}
			}
			r.noFlows(t)
		})
	}
}

// TestResetUnread: a reset by the sandbox reaches a host that does not read, and
// the end of the program does not wait for it.
func TestResetUnread(t *testing.T) {
	for _, f := range families {
		r := newRig(t, Config{HostLoopback: true})
		c, s := r.pair(f)
		fill(c)
		c.Abort()
		raw, err := s.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		reset := func() (yes bool) {
			raw.Control(func(fd uintptr) {
				p := []unix.PollFd{{Fd: int32(fd)}}
				unix.Poll(p, 0)
				yes = p[0].Revents&unix.POLLERR != 0
			})
			return yes
		}
		if !eventually(reset) {
			t.Errorf("%s: no reset reached the host", f.name)
		}
		r.noFlows(t)
		ctx := r.context()
		r.nat.Drain(ctx)
		if ctx.Err() != nil || r.nat.tcp.Outward() != 0 {
			t.Errorf("%s: Drain waits", f.name)
		}
	}
}

func (r *rig) noFlows(t *testing.T) {
	t.Helper()
	if !eventually(func() bool { return r.nat.Stats().TCPOpen == 0 }) {
		t.Errorf("%d flows are open", r.nat.Stats().TCPOpen)
	}
}

// swap sends a byte each way and waits for it.
func swap(c relay.Conn, s *net.TCPConn) {
	buf := make([]byte, 1)
	c.Write([]byte("a"))
	io.ReadFull(s, buf)
	s.Write([]byte("b"))
	io.ReadFull(c, buf)
}

// fill writes until nothing more is taken: every buffer on the way is full.
func fill(c net.Conn) {
	chunk := make([]byte, 1<<20)
	for {
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := c.Write(chunk); err != nil {
			break
		}
	}
	c.SetWriteDeadline(time.Now().Add(patience))
}

func TestRefused(t *testing.T) {
	for _, f := range families {
		l, at := f.listen(t)
		l.Close() // now nobody is there, and the port is not given again at once
		for name, c := range map[string]struct {
			cfg Config
			dst netip.AddrPort
		}{
			"by the host":          {Config{HostLoopback: true}, at},
			"host loopback not on": {Config{}, netip.AddrPortFrom(f.host, 22)},
		} {
			t.Run(name+" "+f.name, func(t *testing.T) {
				r := newRig(t, c.cfg)
				if _, err := r.dial(c.dst); !errors.Is(err, unix.ECONNREFUSED) {
					t.Errorf("%v, want ECONNREFUSED", err)
				}
			})
		}
	}
}

// TestNotPermitted: what the guard turns away, as connect(2) shows it.
func TestNotPermitted(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	for dst, want := range map[string]unix.Errno{
		"10.0.2.77:80":       unix.EHOSTUNREACH,
		"[fd00:2::77]:80":    unix.EHOSTUNREACH,
		"169.254.169.254:80": unix.ENETUNREACH,
		"0.1.2.3:80":         unix.ENETUNREACH,
		"[::8.8.8.8]:80":     unix.ENETUNREACH,
	} {
		if _, err := r.dial(netip.MustParseAddrPort(dst)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", dst, err, want)
		}
	}
	if got := r.nat.Stats().Denied; got != 5 {
		t.Errorf("counted %d denied, want 5", got)
	}
}

// TestManyFlows: sequential and concurrent flows leave nothing behind; newRig
// checks goroutines and descriptors at the end, this test before Close.
func TestManyFlows(t *testing.T) {
	const sequential, concurrent = 1000, 500
	r := newRig(t, Config{HostLoopback: true})
	l, at := families[0].listen(t)
	l.SetDeadline(time.Time{})
	go echoServer(l)
	once := func() {
		c, err := r.dial(at)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "hello")
		c.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	}
	once()
	r.noFlows(t)
	goroutines, files := r.resources()
	for range sequential {
		once()
	}
	r.noFlows(t)
	r.settle(goroutines, files)
	var wg sync.WaitGroup
	for range concurrent {
		wg.Go(once)
	}
	wg.Wait()
	r.noFlows(t)
	r.settle(goroutines, files)
	if got := r.nat.Stats().TCPFlows; got != 1+sequential+concurrent {
		t.Errorf("counted %d flows", got)
	}
}

func echoServer(l *net.TCPListener) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			// Plain: splice(2) would keep pipes for later.
			io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
		}()
	}
}

// TestCloseEndsEverything: open flows, waiting for either side, are reset.
func TestCloseEndsEverything(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	c, s := r.pair(families[0])
	half, halfServer := r.pair(families[1])
	half.CloseWrite()
	if _, err := io.ReadAll(halfServer); err != nil {
		t.Fatal(err)
	}
	swap(c, s)
	r.nat.Close()
	r.nat.Close() // a second call does nothing
	for _, server := range []*net.TCPConn{s, halfServer} {
		if err := readError(server); server == s && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the host's end: %v, want ECONNRESET", err)
		}
	}
	if got := r.nat.Stats().TCPOpen; got != 0 {
		t.Errorf("%d flows are open", got)
	}
}

// TestDrain: what the sandbox had sent before it went arrives, also at a peer
// that reads only when netbox is gone and has not closed its own side.
func TestDrain(t *testing.T) {
	for name, c := range map[string]struct {
		size int64
		late bool
	}{
		"more than buffers hold": {16 << 20, false},
		"read late":              {160 << 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{HostLoopback: true})
			client, server := r.pair(families[0])
			src, sum := noise(c.size)
			got, read := make(chan []byte), make(chan struct{})
			go func() {
				<-read
				got <- copySum(t, "at the server", server)
			}()
			if c.late {
				// Smaller than what is sent: the rest stays in the sender's
				// kernel buffer, which nobody but the kernel will deliver.
				server.SetReadBuffer(8 << 10)
			} else {
				close(read)
			}
			if _, err := io.Copy(client, src); err != nil {
				t.Fatal(err)
			}
			client.Close()
			r.nat.Drain(r.context())
			r.nat.Close()
			if c.late {
				close(read)
			}
			if string(<-got) != string(sum.Sum(nil)) {
				t.Error("bytes were lost at the end")
			}
		})
	}
}

func TestStartWithoutLink(t *testing.T) {
	n := New(Config{})
	if err := n.Start(nil); err == nil {
		t.Error("Start without a link succeeded")
	}
	n.Close()
}

// TestGatewayServices: a listener on any address comes before the NAT.
func TestGatewayServices(t *testing.T) {
	r := newRig(t, Config{})
	for _, at := range []string{"10.0.2.3:53", "[fd00:2::3]:53", "8.8.4.4:53"} {
		addr := netip.MustParseAddrPort(at)
		l, err := r.nat.Stack().ListenTCP(addr)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err == nil {
				io.WriteString(c, "here")
				c.Close()
			}
		}()
		if got, err := io.ReadAll(r.mustDial(addr)); string(got) != "here" || err != nil {
			t.Errorf("%s: %q, %v", at, got, err)
		}
		l.Close()
	}
}

// TestSamePortAgain: the server closes first, so that the gateway's end is in
// TIME-WAIT, and the program connects again from the same port at once. Real
// servers take that SYN (RFC 1122 section 4.2.2.13).
func TestSamePortAgain(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	for _, f := range families {
		l, at := f.listen(t)
		go func() {
			for {
				c, err := l.AcceptTCP()
				if err != nil {
					return
				}
				io.WriteString(c, "bye")
				c.Close()
			}
		}()
		local := netip.AddrPortFrom(uplink.Host4, 40000)
		if f.host.Is6() {
			local = netip.AddrPortFrom(uplink.Host6, 40000)
		}
		for i := range 5 {
			var c relay.Conn
			var err error
			var began time.Time
			eventually(func() bool { // the sandbox's end may still be in LAST-ACK
				began = time.Now()
				c, err = r.host.DialTCP(r.context(), local, at, nil)
				return !errors.Is(err, unix.EADDRINUSE)
			})
			if err != nil {
				t.Fatalf("%s, connection %d, after %v: %v", f.name, i, time.Since(began), err)
			}
			if got, err := io.ReadAll(c); string(got) != "bye" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			c.Close()
			r.noFlows(t)
			if took := time.Since(began); took > 900*time.Millisecond {
				t.Errorf("%s, connection %d took %v: a SYN was lost", f.name, i, took)
			}
		}
	}
}

// TestNoDescriptors: with RLIMIT_NOFILE used up a SYN is dropped, counted, and
// the connection comes about when there is room again.
func TestNoDescriptors(t *testing.T) {
	r := newRig(t, Config{HostLoopback: true})
	l, at := families[0].listen(t)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	}
	defer restore()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	dialled := make(chan error)
	go func() {
		c, err := r.dial(at)
		if err == nil {
			c.Close()
		}
		dialled <- err
	}()
	if !eventually(func() bool { return r.nat.Stats().TCPNoRoom > 0 }) {
		t.Error("no SYN was dropped")
	}
	restore()
	if err := <-dialled; err != nil {
		t.Errorf("when there was room again: %v", err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
