package stack

import (
	"io"
	"testing"
	"time"
)

// BenchmarkTCP sends a bulk flow: host stack → link → gateway → io.Discard.
func BenchmarkTCP(b *testing.B) {
	for _, size := range []int{16 << 10, 64 << 10, 256 << 10} {
		b.Run(sizeName(size), func(b *testing.B) { bulk(b, size) })
	}
}

// BenchmarkTCPDown is the other way: gateway → link → host stack.
func BenchmarkTCPDown(b *testing.B) {
	const size = 64 << 10
	start := make(chan struct{})
	w := newWorld(b, GatewayConfig{TCP: func(r *TCPRequest) {
		c, err := r.Accept()
		if err != nil {
			return
		}
		<-start
		p := make([]byte, size)
		for range b.N {
			if _, err := c.Write(p); err != nil {
				b.Error(err)
				break
			}
		}
		c.Close()
	}})
	e := tcpSocket(b, w.host, Inet4)
	ok(b, "connect", connect(b, e, ap(far4, 80)))
	b.SetBytes(size)
	b.ResetTimer()
	close(start)
	n, err := io.Copy(io.Discard, stream{b, e})
	if err != nil || n != int64(b.N)*size {
		b.Fatal(n, err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*size*8/b.Elapsed().Seconds()/1e9, "Gbit/s")
}

// BenchmarkLoopback is a bulk flow inside the host, over lo.
func BenchmarkLoopback(b *testing.B) {
	const size = 64 << 10
	s := newLoop(b)
	l := tcpSocket(b, s, Inet4)
	ok(b, "bind", l.Bind(at("127.0.0.1:9000")))
	ok(b, "listen", l.Listen(1))
	c := tcpSocket(b, s, Inet4)
	ok(b, "connect", connect(b, c, at("127.0.0.1:9000")))
	until(b, l, 1)
	k, _, en := l.Accept()
	ok(b, "accept", en)
	b.Cleanup(k.Close)
	got := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, stream{b, k})
		got <- n
	}()
	p := make([]byte, size)
	b.SetBytes(size)
	b.ResetTimer()
	for range b.N {
		if _, err := (stream{b, c}).Write(p); err != nil {
			b.Fatal(err)
		}
	}
	c.Shutdown(false, true)
	if n := <-got; n != int64(b.N)*size {
		b.Fatalf("%d bytes", n)
	}
	b.ReportMetric(float64(b.N)*size*8/b.Elapsed().Seconds()/1e9, "Gbit/s")
}

// BenchmarkRoundTrip is one byte there and back, host ↔ gateway.
func BenchmarkRoundTrip(b *testing.B) {
	w := newWorld(b, GatewayConfig{TCP: func(r *TCPRequest) {
		if c, err := r.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}})
	e := stream{b, tcpSocket(b, w.host, Inet4)}
	ok(b, "connect", connect(b, e.Endpoint, ap(far4, 80)))
	ok(b, "nodelay", e.SetBool(NoDelay, true))
	p := []byte{1}
	for b.Loop() {
		if _, err := e.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Read(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConnect is a connection made, accepted and closed.
func BenchmarkConnect(b *testing.B) {
	w := newWorld(b, GatewayConfig{TCP: func(r *TCPRequest) {
		if c, err := r.Accept(); err == nil {
			io.Copy(io.Discard, c)
			c.Close()
		}
	}})
	for b.Loop() {
		e, en := w.host.NewTCP(Inet4)
		ok(b, "socket", en)
		ok(b, "connect", connect(b, e, ap(far4, 80)))
		e.Close()
	}
}

func sizeName(n int) string {
	return map[int]string{16 << 10: "write16K", 64 << 10: "write64K", 256 << 10: "write256K"}[n]
}

func bulk(b *testing.B, size int) {
	received := make(chan int64, 1)
	w := newWorld(b, GatewayConfig{TCP: func(r *TCPRequest) {
		c, err := r.Accept()
		if err != nil {
			received <- -1
			return
		}
		n, _ := io.Copy(io.Discard, c)
		received <- n
		c.Close()
	}})
	e := tcpSocket(b, w.host, Inet4)
	ok(b, "connect", connect(b, e, ap(far4, 80)))
	p := make([]byte, size)
	b.SetBytes(int64(size))
	b.ResetTimer()
	for range b.N {
		if _, err := (stream{b, e}).Write(p); err != nil {
			b.Fatal(err)
		}
	}
	e.Shutdown(false, true)
	select {
	case n := <-received:
		if n != int64(b.N)*int64(size) {
			b.Fatalf("%d bytes arrived, want %d", n, int64(b.N)*int64(size))
		}
	case <-time.After(time.Minute):
		b.Fatal("the flow did not end")
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*float64(size)*8/b.Elapsed().Seconds()/1e9, "Gbit/s")
	if st := w.far.Stats(); st.Link.TxDropped != 0 {
		b.Errorf("%d packets dropped", st.Link.TxDropped)
	}
	if st := w.host.Stats(); st.Link.TxWaits > 0 {
		b.ReportMetric(float64(st.Link.TxWaits), "waits")
	}
	b.ReportMetric(float64(e.TCPInfo().Retransmits), "retransmits")
}
