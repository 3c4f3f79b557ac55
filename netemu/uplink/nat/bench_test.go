package nat

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// bulkChunk is what the benchmarks write at once.
const bulkChunk = 256 << 10

// copyPlain hides ReadFrom and WriteTo, so that the server moves bytes as most
// programs do.
func copyPlain(dst io.Writer, src io.Reader) {
	io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, make([]byte, bulkChunk))
}

func write(b *testing.B, w io.Writer, bytes int64) {
	chunk := make([]byte, bulkChunk)
	for bytes > 0 {
		n, err := w.Write(chunk[:min(bytes, bulkChunk)])
		if err != nil {
			b.Error(err)
			return
		}
		bytes -= int64(n)
	}
}

// bulk moves b.N chunks from one end to the other.
func bulk(b *testing.B, from interface {
	io.Writer
	CloseWrite() error
}, to io.Reader) {
	b.SetBytes(bulkChunk)
	done := make(chan struct{})
	b.ResetTimer()
	go func() {
		copyPlain(io.Discard, to)
		close(done)
	}()
	write(b, from, int64(b.N)*bulkChunk)
	from.CloseWrite()
	<-done
}

// BenchmarkBulkUp: sandbox stack, link, gateway stack, relay, real loopback.
func BenchmarkBulkUp(b *testing.B) {
	r := newRig(b, Config{HostLoopback: true})
	c, s := r.pair(families[0])
	c.SetDeadline(time.Time{})
	s.SetDeadline(time.Time{})
	bulk(b, c, s)
}

func BenchmarkBulkDown(b *testing.B) {
	r := newRig(b, Config{HostLoopback: true})
	c, s := r.pair(families[0])
	c.SetDeadline(time.Time{})
	s.SetDeadline(time.Time{})
	bulk(b, s, c)
}

// BenchmarkBulkNative is the same over the real loopback alone.
func BenchmarkBulkNative(b *testing.B) {
	l, _ := families[0].listen(b)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	s, err := l.AcceptTCP()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	bulk(b, c.(*net.TCPConn), s)
}

// BenchmarkRoundTrip is one byte there and back.
func BenchmarkRoundTrip(b *testing.B) {
	r := newRig(b, Config{HostLoopback: true})
	c, s := r.pair(families[0])
	c.SetDeadline(time.Time{})
	s.SetDeadline(time.Time{})
	go copyPlain(s, s)
	buf := make([]byte, 1)
	for b.Loop() {
		c.Write(buf)
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
	c.CloseWrite()
}

// BenchmarkConnect is a whole flow: dial, one byte each way, both FINs.
func BenchmarkConnect(b *testing.B) {
	r := newRig(b, Config{HostLoopback: true})
	l, at := families[0].listen(b)
	l.SetDeadline(time.Time{})
	go echoServer(l)
	ctx := b.Context()
	for b.Loop() {
		c, err := r.host.DialTCP(ctx, netip.AddrPort{}, at, nil)
		if err != nil {
			b.Fatal(err)
		}
		c.Write([]byte("x"))
		c.CloseWrite()
		if got, err := io.ReadAll(c); len(got) != 1 || err != nil {
			b.Fatal(got, err)
		}
		c.Close()
	}
}

// BenchmarkUDPRoundTrip is one small datagram there and back.
func BenchmarkUDPRoundTrip(b *testing.B) {
	r := newRig(b, Config{HostLoopback: true})
	server, at := families[0].listenUDP(b)
	go echoUDP(server)
	c := r.dialUDP(at)
	c.SetDeadline(time.Time{})
	buf := make([]byte, 64)
	for b.Loop() {
		c.Write(buf)
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}
