package nat

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netbox/icmp"
	"netbox/netemu/stack"
)

const (
	// echoLife is how long an echo request waits for what comes back. Linux's
	// conntrack keeps one for 30 s (nf_conntrack_icmp_timeout); links by
	// satellite under load have shown replies after more than that.
	echoLife = 60 * time.Second
	// maxEchoes bounds the requests that wait. An entry is about half a
	// kilobyte, at most 1.5; at ping -f's usual rates (some 1000 a second) they
	// would still live for 16 s.
	maxEchoes = 16384
	// maxQuote is as much of a packet as an ICMPv6 error may quote (RFC 4443
	// section 3.1: the error fits 1280 bytes); ICMP quotes less (RFC 1812
	// section 4.3.2.3: 576).
	maxQuote = 1280 - 40 - 8
)

// echoTable holds requests that may still be answered, in the order they were
// sent. An answered one stays, for a duplicate to come is news too.
type echoTable struct {
	mu      sync.Mutex
	waiting map[uint64]waitingEcho
	oldest  uint64 // tokens are handed out in order: oldest ≤ waiting < next
	next    uint64
	max     int
	closed  bool
}

// waitingEcho is a request without payload, its Raw cut to what is quoted.
type waitingEcho struct {
	stack.Echo
	sent time.Time
}

func (t *echoTable) init() {
	t.waiting = map[uint64]waitingEcho{}
	t.max = maxEchoes
}

// add remembers e and returns its token, and whether an unexpired request had
// to be forgotten for it.
func (t *echoTable) add(e stack.Echo, now time.Time) (token uint64, evicted bool) {
	// Cloned, so that a large packet is not held for its head. A reply brings
	// its own payload.
	e.Raw, e.Payload = bytes.Clone(e.Raw[:min(len(e.Raw), maxQuote)]), nil
	t.mu.Lock()
	defer t.mu.Unlock()
	for ; t.oldest < t.next; t.oldest++ {
		old, ok := t.waiting[t.oldest]
		if ok && now.Sub(old.sent) < echoLife {
			if len(t.waiting) < t.max {
				break
			}
			evicted = true
		}
		delete(t.waiting, t.oldest)
	}
	token = t.next
	t.next++
	t.waiting[token] = waitingEcho{Echo: e, sent: now}
	return token, evicted
}

func (t *echoTable) find(token uint64) (stack.Echo, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.waiting[token]
	return e.Echo, ok && !t.closed
}

func (t *echoTable) forget(token uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.waiting, token)
}

// close makes receiveEcho do nothing from now on.
func (t *echoTable) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	clear(t.waiting)
}

// serveEcho sends an echo request on. It runs on the packet path, where
// nothing may wait.
func (n *NAT) serveEcho(e stack.Echo) {
	if dst, act := n.guard.check(e.Dst); act != permit || dst != e.Dst {
		n.denied("icmp", netip.AddrPortFrom(e.Src, 0), netip.AddrPortFrom(e.Dst, 0))
		switch act {
		case noHost:
			n.failEcho(e, unix.EHOSTUNREACH)
		case noNet:
			n.failEcho(e, unix.ENETUNREACH)
		}
		return
	}
	if n.cfg.Echo == nil {
		n.failEcho(e, unix.EACCES)
		return
	}
	token, evicted := n.echo.add(e, time.Now())
	if evicted {
		n.count.echoEvicted.Add(1)
	}
	errno := n.cfg.Echo.Send(icmp.Request{
		Dst: e.Dst, ID: e.ID, Seq: e.Seq, TTL: e.TTL, TOS: e.TOS, DF: e.Fragment == stack.FragmentNever,
		Payload: e.Payload, Token: token,
	})
	if errno != 0 {
		n.echo.forget(token)
		n.failEcho(e, errno)
		return
	}
	n.count.echoSent.Add(1)
}

// receiveEcho hands in what came back for a request.
func (n *NAT) receiveEcho(r icmp.Reply) {
	e, ok := n.echo.find(r.Token)
	if !ok {
		return
	}
	switch r.Kind {
	case icmp.EchoReply:
		n.count.echoReplies.Add(1)
		e.Payload = r.Payload
		n.gateway.EchoReply(e, r.TTL)
	case icmp.Error:
		n.count.echoReplies.Add(1)
		n.gateway.EchoError(e, stack.ICMPError{From: r.From, Type: r.Type, Code: r.Code, Info: r.Info, TTL: r.TTL})
	case icmp.SendFailure:
		n.echo.forget(r.Token)
		n.failEcho(e, r.Errno)
	}
}

// failEcho tells the sandbox that a request could not be sent: an error of the
// gateway's own, which a router would send too.
func (n *NAT) failEcho(e stack.Echo, errno unix.Errno) {
	n.count.echoFailed.Add(1)
	n.log.Debug("echo request not sent", "dst", e.Dst, "err", errno)
	var mtu uint32
	switch {
	case hostShort(errno):
		return // too many at once: loss, as on any full queue
	case errno == unix.EMSGSIZE:
		mtu = pathMTU(e.Dst)
	}
	n.gateway.EchoError(e, ownFailure(e.Dst, errno, mtu))
}
