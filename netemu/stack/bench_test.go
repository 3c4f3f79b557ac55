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
