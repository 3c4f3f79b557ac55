package icmp

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asker sends requests over a Conn and collects what comes back.
type asker struct {
	testing.TB
	conn    *Conn
	replies chan Reply
	token   atomic.Uint64
	last    string // request, for failures
}

func newAsker(tb testing.TB, c *Conn) *asker {
	a := &asker{TB: tb, conn: c, replies: make(chan Reply, 1<<16)}
	c.SetReceiver(func(r Reply) { a.replies <- r })
	return a
}

// send sends r with a new token.
func (a *asker) send(r Request) Request {
	a.Helper()
	r.Token = a.token.Add(1)<<32 | 0xabcd
	a.last = fmt.Sprintf("%v: %d bytes, ttl %d, df %t", r.Dst, len(r.Payload), r.TTL, r.DF)
	if errno := a.conn.Send(r); errno != 0 {
		a.Fatalf("Send to %v: %v", r.Dst, errno)
	}
	return r
}

// next is the next reply, which must come within a few seconds.
func (a *asker) next() Reply {
	a.Helper()
	select {
	case r := <-a.replies:
		return r
	case <-time.After(5 * time.Second):
		a.Fatalf("no reply in 5 s to %s", a.last)
		return Reply{}
	}
}

// ask sends r and waits for the reply, which must belong to it.
func (a *asker) ask(r Request) Reply {
	a.Helper()
	r = a.send(r)
	reply := a.next()
	if reply.Token != r.Token || reply.ID != r.ID || reply.Seq != r.Seq || reply.Dst != r.Dst {
		a.Fatalf("reply %v to request %s", brief(reply), a.last)
	}
	return reply
}

// brief is r with the length of its payload only.
func brief(r Reply) string {
	n := len(r.Payload)
	r.Payload = nil
	return fmt.Sprintf("%+v (%d bytes)", r, n)
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

// testAnswers is what every rung must do in the world.
func testAnswers(t *testing.T, c *Conn) {
	a := newAsker(t, c)
	for v := range 2 {
		a.checkEcho(Request{Dst: addr(otherFarAddrs[v]), ID: 7, Seq: 65535, TTL: 255, TOS: 0xb8, Payload: pattern(8)})
		a.checkErrors(v) // IPv6 learns the path's MTU by it
		for _, size := range []int{0, 1, 56, 1473, 20000, 65000} {
			a.checkEcho(Request{Dst: addr(farAddrs[v]), ID: 7, Seq: 65535, Payload: pattern(size)})
		}
		a.checkLoss(v)
	}
	a.checkEcho(Request{Dst: addr(farAddrs[0]), Payload: pattern(maxPayload4)})
	a.checkEqualIDs()
	a.checkRefused()
}

// checkEcho asks for an echo from the far host, two hops away.
func (a *asker) checkEcho(q Request) {
	a.Helper()
	before := time.Now().Add(-time.Millisecond) // the kernel's clock is the same, its reading is not
	r := a.ask(q)
	after := time.Now()
	if r.Kind != EchoReply || r.From != q.Dst || r.Type != familyOf(q.Dst).echoReply() || r.Code != 0 || r.TTL != 63 {
		a.Fatalf("got %v", brief(r))
	}
	if !bytes.Equal(r.Payload, q.Payload) {
		a.Fatalf("payload of %d bytes came back as %d bytes or changed", len(q.Payload), len(r.Payload))
	}
	if r.Sent.Before(before) || r.Received.Before(r.Sent) || r.Received.After(after) {
		a.Fatalf("sent %v, received %v, asked between %v and %v", r.Sent, r.Received, before, after)
	}
}

// checkEqualIDs sends what two pings with the same identifier would: each
// reply finds its own request.
func (a *asker) checkEqualIDs() {
	a.Helper()
	waiting := map[uint64]string{}
	for i := range 100 {
		data := fmt.Sprint("request ", i)
		q := a.send(Request{Dst: addr(farAddrs[i%2]), ID: 77, Seq: 1, Payload: []byte(data)})
		waiting[q.Token] = data
	}
	for len(waiting) > 0 {
		r := a.next()
		if want, ok := waiting[r.Token]; !ok || string(r.Payload) != want || r.ID != 77 || r.Seq != 1 {
			a.Fatalf("got %v, payload %q, want %q", brief(r), r.Payload, want)
		}
		delete(waiting, r.Token)
	}
}

// checkErrors provokes each ICMP error that the router can make.
func (a *asker) checkErrors(v int) {
	a.Helper()
	type want struct {
		typ, code uint8
		info      uint32
	}
	data := pattern(64)
	for _, c := range []struct {
		name string
		q    Request
		want [2]want
	}{
		{"hop limit", Request{Dst: addr(farAddrs[v]), TTL: 1, Payload: data},
			[2]want{{icmpv4TimeExceeded, 0, 0}, {icmpv6TimeExceeded, 0, 0}}},
		{"prohibited", Request{Dst: addr(prohibited[v]), Payload: data},
			[2]want{{icmpv4Unreachable, 13, 0}, {icmpv6Unreachable, 1, 0}}},
		{"unreachable", Request{Dst: addr(unreachable[v]), Payload: data},
			[2]want{{icmpv4Unreachable, 1, 0}, {icmpv6Unreachable, 0, 0}}},
		{"too big", Request{Dst: addr(farAddrs[v]), DF: true, Payload: pattern(1400)},
			[2]want{{icmpv4Unreachable, icmpv4FragNeeded, farMTU}, {icmpv6TooBig, 0, farMTU}}},
	} {
		c.q.ID, c.q.Seq = 9, 1
		r := a.ask(c.q)
		w := c.want[v]
		if r.Kind != Error || r.TTL != 64 || r.From != addr(nearRouter[v]) || (want{r.Type, r.Code, r.Info}) != w {
			a.Fatalf("%s: got %v, want %+v", c.name, brief(r), w)
		}
		if len(r.Payload) == 0 || !bytes.HasPrefix(c.q.Payload, r.Payload) {
			a.Fatalf("%s: quoted %x", c.name, r.Payload)
		}
	}
	// DF does not stay for the next request.
	a.checkEcho(Request{Dst: addr(farAddrs[v]), Payload: pattern(1400)})
}

// checkLoss sends to where packets vanish; the request behind it is answered
// and nothing else.
func (a *asker) checkLoss(v int) {
	a.Helper()
	a.send(Request{Dst: addr(blackholed[v]), Payload: pattern(8)})
	a.checkEcho(Request{Dst: addr(farAddrs[v]), Payload: pattern(8)})
	select {
	case r := <-a.replies:
		a.Fatalf("reply %v out of a black hole", brief(r))
	default:
	}
}

// checkRefused asks for what is never sent.
func (a *asker) checkRefused() {
	a.Helper()
	for _, c := range []struct {
		dst  string
		want unix.Errno
	}{
		{"224.0.0.1", unix.EACCES},
		{"ff02::1", unix.EACCES},
		{"255.255.255.255", unix.EACCES},
		{"0.0.0.0", unix.EINVAL},
		{"::", unix.EINVAL},
		{"::ffff:8.8.8.8", unix.EINVAL},
		{"fe80::1%1", unix.EINVAL},
	} {
		if errno := a.conn.Send(Request{Dst: addr(c.dst)}); errno != c.want {
			a.Fatalf("%s: %v, want %v", c.dst, errno, c.want)
		}
	}
	if errno := a.conn.Send(Request{}); errno != unix.EINVAL {
		a.Fatalf("no destination: %v", errno)
	}
	if errno := a.conn.Send(Request{Dst: addr(farAddrs[0]), Payload: pattern(maxPayload4 + 1)}); errno != unix.EMSGSIZE {
		a.Fatalf("giant: %v", errno)
	}
	// A broadcast address that only the routing table knows.
	a.checkLocalFailure(Request{Dst: addr("10.91.0.255")}, unix.EACCES)
	// Larger than the interface's MTU, not to be fragmented.
	a.checkLocalFailure(Request{Dst: addr(farAddrs[0]), DF: true, Payload: pattern(2000)}, unix.EMSGSIZE)
	a.checkLocalFailure(Request{Dst: addr(farAddrs[1]), DF: true, Payload: pattern(2000)}, unix.EMSGSIZE)
}

// checkLocalFailure asks for what the kernel refuses to send.
func (a *asker) checkLocalFailure(q Request, want unix.Errno) {
	a.Helper()
	errno := a.conn.Send(q)
	if a.conn.Rung() == RungHelper && errno == 0 {
		r := a.next()
		if r.Kind != SendFailure || r.Dst != q.Dst || r.From.IsValid() || !r.Received.IsZero() {
			a.Fatalf("got %v", brief(r))
		}
		errno = r.Errno
	}
	if errno != want {
		a.Fatalf("%v: %v, want %v", q.Dst, errno, want)
	}
}

func TestHelperAnswers(t *testing.T) {
	if inside(t, asRoot, false) {
		testAnswers(t, openConn(t, Options{HelperPath: os.Getenv(plainEnv)}, RungHelper))
	}
}

func TestHelperAnswersNobody(t *testing.T) {
	if inside(t, asNobody, false) {
		testAnswers(t, openConn(t, Options{HelperPath: os.Getenv(capableEnv)}, RungHelper))
	}
}

func TestPingSocketAnswers(t *testing.T) {
	if inside(t, asNobody, true) {
		testAnswers(t, openConn(t, Options{HelperPath: os.Getenv(plainEnv)}, RungPingSocket))
	}
}
