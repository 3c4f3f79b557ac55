package icmp

import (
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// warm lets the hosts on the way find their neighbours: a kernel keeps but a
// hundred packets while it waits for ARP.
func (a *asker) warm() {
	a.Helper()
	for _, dst := range farAddrs {
		a.checkEcho(Request{Dst: addr(dst), Payload: pattern(8)})
	}
}

// flood sends n small requests with at most window unanswered and waits for
// the replies. It answers how many got none, once none comes for a while.
func (a *asker) flood(n, window int, dsts [2]string) (lost int) {
	a.Helper()
	sent, answered := 0, 0
	data := pattern(56)
	patience := time.NewTimer(5 * time.Second)
	defer patience.Stop()
	for answered < n {
		for sent < n && sent-answered < window {
			errno := a.conn.Send(Request{Dst: addr(dsts[sent%2]), ID: uint16(sent >> 16), Seq: uint16(sent), Payload: data})
			if errno != 0 {
				a.Fatal(errno)
			}
			sent++
		}
		select {
		case r := <-a.replies:
			if r.Kind != EchoReply || len(r.Payload) != len(data) {
				a.Fatalf("got %v", brief(r))
			}
			answered++
			patience.Reset(5 * time.Second)
		case <-patience.C:
			return n - answered
		}
	}
	return 0
}

func testTenThousand(t *testing.T, c *Conn) {
	a := newAsker(t, c)
	a.warm()
	start := time.Now()
	if lost := a.flood(10_000, 256, farAddrs); lost != 0 {
		t.Fatalf("%d lost, %+v", lost, c.Counters())
	}
	t.Logf("%s: 10,000 echoes in %v", c.Rung(), time.Since(start))
	if got := c.Counters(); got.Sent != 10_002 || got.Replies != 10_002 || got.Overflows != 0 || got.QueueFull != 0 {
		t.Fatalf("counters %+v", got)
	}
}

func TestTenThousandHelper(t *testing.T) {
	if inside(t, asNobody, false) {
		testTenThousand(t, openConn(t, Options{HelperPath: os.Getenv(capableEnv)}, RungHelper))
	}
}

func TestTenThousandPingSocket(t *testing.T) {
	if inside(t, asNobody, true) {
		testTenThousand(t, openConn(t, Options{HelperPath: os.Getenv(plainEnv)}, RungPingSocket))
	}
}

// More than the queue holds is refused at once, and what was taken is sent.
func TestQueueIsBounded(t *testing.T) {
	if !inside(t, asRoot, false) {
		return
	}
	c := openConn(t, Options{HelperPath: os.Getenv(plainEnv)}, RungHelper)
	pid := c.pid(t)
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var errno unix.Errno
	taken := 0
	for ; taken < 1000 && errno == 0; taken++ {
		errno = c.Send(Request{Dst: addr(blackholed[0]), Payload: pattern(60000)})
	}
	if errno != unix.ENOBUFS || c.Counters().QueueFull != 1 {
		t.Fatalf("after %d: %v, %+v", taken, errno, c.Counters())
	}
	if err := unix.Kill(pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a := newAsker(t, c)
	await(t, "room in the queue", func() bool {
		return c.Send(Request{Dst: addr(blackholed[0]), Payload: pattern(60000)}) == 0
	})
	a.checkEcho(Request{Dst: addr(farAddrs[0]), Payload: pattern(8)})
}

// A helper that is stopped is no hang: Send answers, and Close ends it.
func TestStoppedHelper(t *testing.T) {
	if !inside(t, asRoot, false) {
		return
	}
	c, err := Open(Options{HelperPath: os.Getenv(plainEnv)})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(c.pid(t), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if errno := c.Send(Request{Dst: addr(farAddrs[0])}); errno != 0 {
		t.Fatal(errno)
	}
	start := time.Now()
	c.Close()
	if took := time.Since(start); took > 5*exitPatience {
		t.Fatalf("Close took %v", took)
	}
}

// BenchmarkRoundTrip is one request at a time, over each rung and over a plain
// ping socket without this package. kernel-ns is the median between the
// stamps of a Reply.
func BenchmarkRoundTrip(b *testing.B) {
	if !inside(b, asNobody, true) {
		return
	}
	b.Run("plain", func(b *testing.B) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)
		if err != nil {
			b.Fatal(err)
		}
		defer unix.Close(fd)
		to := &unix.SockaddrInet4{Addr: addr(farAddrs[0]).As4()}
		out, in := make([]byte, 64), make([]byte, 128)
		for b.Loop() {
			putEchoRequest(out, inet, 0, 1, out[8:])
			if err := unix.Sendto(fd, out, 0, to); err != nil {
				b.Fatal(err)
			}
			if _, _, err := unix.Recvfrom(fd, in, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	for rung, path := range map[string]string{RungHelper: os.Getenv(capableEnv), RungPingSocket: "/nonexistent"} {
		b.Run(rung, func(b *testing.B) {
			a := newAsker(b, openConn(b, Options{HelperPath: path}, rung))
			var stamps []time.Duration
			for b.Loop() {
				r := a.ask(Request{Dst: addr(farAddrs[0]), Payload: pattern(56)})
				stamps = append(stamps, r.Received.Sub(r.Sent))
			}
			slices.Sort(stamps)
			b.ReportMetric(float64(stamps[len(stamps)/2]), "kernel-ns")
		})
	}
}

// BenchmarkFlood is as many as go through, 1024 unanswered at a time.
func BenchmarkFlood(b *testing.B) {
	if !inside(b, asNobody, true) {
		return
	}
	for rung, path := range map[string]string{RungHelper: os.Getenv(capableEnv), RungPingSocket: "/nonexistent"} {
		b.Run(rung, func(b *testing.B) {
			a := newAsker(b, openConn(b, Options{HelperPath: path}, rung))
			a.warm()
			b.ResetTimer()
			lost := a.flood(b.N, 1024, farAddrs)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "echoes/s")
			b.ReportMetric(float64(lost), "lost")
		})
	}
}
