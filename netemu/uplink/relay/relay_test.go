package relay

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 10 * time.Second

// kernelBox is a Conn of the kernel's stack instead of ours.
type kernelBox struct{ *net.TCPConn }

func (b kernelBox) Abort() { Reset(b.TCPConn) }

// OnReset implements Conn; package nat's tests have one that tells.
func (b kernelBox) OnReset(func()) func() { return func() {} }

// connect is both ends of a connection over the host's loopback.
func connect(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*net.TCPConn{client, server} {
		c.SetDeadline(time.Now().Add(patience))
		t.Cleanup(func() { c.Close() })
	}
	return client, server
}

// running relays between two connections; program and peer are the ends that
// a test holds. Deadlines of the relay's own ends are the relay's business.
type running struct {
	program, peer *net.TCPConn
	outward       chan struct{}
	done          chan Bytes
}

func run(t testing.TB, o Options) running {
	program, box := connect(t)
	host, peer := connect(t)
	box.SetDeadline(time.Time{})
	host.SetDeadline(time.Time{})
	r := running{program, peer, make(chan struct{}), make(chan Bytes, 1)}
	o.Outward = func() { close(r.outward) }
	go func() { r.done <- TCP(host, kernelBox{box}, o) }()
	return r
}

func (r running) wait(t *testing.T) Bytes {
	t.Helper()
	select {
	case n := <-r.done:
		select {
		case <-r.outward:
		default:
			t.Error("Outward was not called")
		}
		return n
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		t.Fatalf("the relay goes on\n%s", buf[:runtime.Stack(buf, true)])
		return Bytes{}
	}
}

func TestOrderlyEnd(t *testing.T) {
	r := run(t, Options{})
	io.WriteString(r.program, "question")
	r.program.CloseWrite()
	if got, err := io.ReadAll(r.peer); string(got) != "question" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	<-r.outward // before the other direction ends
	io.WriteString(r.peer, "answers")
	r.peer.Close()
	if got, err := io.ReadAll(r.program); string(got) != "answers" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if got := r.wait(t); got != (Bytes{Inward: 7, Outward: 8}) {
		t.Errorf("counted %+v", got)
	}
}

// TestResetAfterFIN: a host that resets after its FIN ends the flow though
// nobody writes.
func TestResetAfterFIN(t *testing.T) {
	r := run(t, Options{})
	r.peer.CloseWrite()
	if got, err := io.ReadAll(r.program); len(got) != 0 || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	Reset(r.peer)
	r.wait(t)
	_, err := io.Copy(r.program, neverEnding{})
	if !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE) {
		t.Errorf("the program's write: %v", err)
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

// TestHalfClosedIdle: a flow whose box side has ended is reset when nothing
// comes any more, and not before.
func TestHalfClosedIdle(t *testing.T) {
	const idle = time.Second
	r := run(t, Options{HalfClosedIdle: idle})
	began := time.Now()
	r.program.CloseWrite()
	buf := make([]byte, 8)
	for range 10 { // longer than idle in all
		time.Sleep(idle / 8)
		r.peer.Write([]byte("x"))
		if _, err := r.program.Read(buf); err != nil {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
	}
	last := time.Now()
	r.wait(t)
	if quiet := time.Since(last); quiet < idle/2 {
		t.Errorf("ended after %v", quiet)
	}
	// The peer has had the FIN, so that Linux shows the reset to writes only.
	if _, err := io.Copy(r.peer, neverEnding{}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("the host's peer: %v, want EPIPE", err)
	}
}

// TestSmallAndLargeReads goes over all changes of the outward buffer.
func TestSmallAndLargeReads(t *testing.T) {
	r := run(t, Options{})
	var total int
	go func() {
		for _, size := range []int{1, idleSize, idleSize + 1, 1 << 20, 10, bulkSize, 3} {
			r.program.Write(make([]byte, size))
		}
		r.program.CloseWrite()
	}()
	for _, size := range []int{1, idleSize, idleSize + 1, 1 << 20, 10, bulkSize, 3} {
		total += size
	}
	n, err := io.Copy(io.Discard, r.peer)
	if int(n) != total || err != nil {
		t.Errorf("%d bytes of %d, %v", n, total, err)
	}
	r.peer.Close()
	r.wait(t)
}

func TestTable(t *testing.T) {
	table := NewTable(2)
	a, apeer := connect(t)
	b, _ := connect(t)
	c, _ := connect(t)
	if !table.Add(a) || !table.Add(b) || table.Add(c) {
		t.Fatal("the bound of 2 does not hold")
	}
	if table.Open() != 2 || table.Outward() != 2 {
		t.Errorf("open %d, outward %d", table.Open(), table.Outward())
	}
	table.EndOutward(b)
	table.EndOutward(b)
	if table.Outward() != 1 {
		t.Errorf("outward %d", table.Outward())
	}
	table.Remove(b)
	table.Close()
	if _, err := io.ReadAll(apeer); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("after Close: %v, want ECONNRESET", err)
	}
	if table.Add(c) {
		t.Error("added after Close")
	}
}

func TestGroup(t *testing.T) {
	var g Group
	started, release := make(chan struct{}), make(chan struct{})
	if !g.Go(func() { close(started); <-release }) {
		t.Fatal("an open group refused")
	}
	<-started
	closed := make(chan struct{})
	go func() { g.Close(); close(closed) }()
	for g.Go(func() {}) { // until Close has begun
		runtime.Gosched()
	}
	select {
	case <-closed:
		t.Error("Close did not wait")
	default:
	}
	close(release)
	<-closed
}

// TestGroupKeeps: what was idle runs again, up to a bound, and Close ends it.
func TestGroupKeeps(t *testing.T) {
	var g Group
	before := runtime.NumGoroutine()
	for range 100 { // one after the other
		done := make(chan struct{})
		g.Go(func() { close(done) })
		<-done
		for g.Idle() == 0 {
			runtime.Gosched()
		}
	}
	if n := runtime.NumGoroutine() - before; g.Idle() != 1 || n != 1 {
		t.Errorf("%d goroutines, %d of them idle, after one at a time", n, g.Idle())
	}
	hold := make(chan struct{})
	for range maxIdle + 9 {
		g.Go(func() { <-hold })
	}
	close(hold)
	for end := time.Now().Add(patience); runtime.NumGoroutine()-before > maxIdle && time.Now().Before(end); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine() - before; n != maxIdle || g.Idle() != maxIdle {
		t.Errorf("%d goroutines, %d of them idle, want %d", n, g.Idle(), maxIdle)
	}
	g.Close()
	if g.Idle() != 0 || g.Go(func() {}) {
		t.Error("a closed group goes on")
	}
}

// TestIdleClockWokenTwice: a reader that is woken for the clock once more, at once, goes
// on; the flow is reset only when the time is over.
func TestIdleClockWokenTwice(t *testing.T) {
	const limit = 50 * time.Millisecond
	var c idleClock
	for range 3 {
		if !c.runs(7, limit) {
			t.Fatal("over when it has begun")
		}
	}
	time.Sleep(limit)
	if c.runs(7, limit) {
		t.Error("not over after its time")
	}
	if !c.runs(8, limit) {
		t.Error("over although something has come")
	}
}
