package dns

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxInFlight bounds the questions being asked at once. Each holds one host
	// descriptor, and 256 leaves the rest of a customary soft limit of 1024 to
	// the sandbox's flows.
	maxInFlight = 256
	// maxWaiting bounds the questions waiting for a place among those: 2,000
	// threads that connect at once resolve at once. What comes beyond is
	// dropped, counted, and asked again by the program's resolver.
	maxWaiting = 4096
	// minWait is the least wait for one server, whatever the length of the
	// list: a satellite link's round trip and a recursive lookup behind it.
	minWait = time.Second
)

// DialFunc opens a socket to a nameserver: network is "udp" or "tcp", address
// IP:PORT.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Options say whom a Forwarder asks, and how.
type Options struct {
	// Servers are asked in this order. None: every question is refused.
	Servers []netip.AddrPort
	// Timeout and Attempts as in resolv.conf(5); zero means 5 s and 2.
	Timeout  time.Duration
	Attempts int
	// Dial opens the upstream sockets; nil is the host's own network.
	Dial DialFunc
	// Own are the addresses at which this resolver itself answers on the
	// network that Dial leads to. None for the host's.
	Own []netip.AddrPort
	// Log takes each failure of an upstream at debug level; nil: nothing.
	Log *slog.Logger
}

// Stats count what a Forwarder did since its start.
type Stats struct {
	Queries  uint64 // questions received
	Answered uint64 // with an upstream's answer
	Failed   uint64 // with SERVFAIL, no upstream having answered
	Refused  uint64 // not a question for a resolver, or no upstream configured
	Dropped  uint64 // more than maxInFlight+maxWaiting at once, or closed
}

// Forwarder answers questions by asking the upstream resolvers.
//
// The list is walked Attempts times. A walk takes no longer than Timeout: that
// is how long the program's own resolver waits for us before it asks again, so
// the answer of the last server still finds it listening. The walk starts at
// the server that answered last, so a dead first server delays the first
// question and not each of them.
type Forwarder struct {
	servers   []netip.AddrPort
	wait      time.Duration // for one server
	attempts  int
	dial      DialFunc
	log       *slog.Logger
	preferred atomic.Uint32 // index in servers where a walk starts

	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	admitted chan struct{} // one element a question, asked or waiting
	inFlight chan struct{} // one element a question being asked

	queries, answered, failed, refused, dropped atomic.Uint64
}

// NewForwarder checks the options. It opens no socket: a resolver that is down
// now may be up when it is asked.
func NewForwarder(o Options) (*Forwarder, error) {
	for _, s := range o.Servers {
		if !s.IsValid() || s.Port() == 0 {
			return nil, fmt.Errorf("upstream resolver %v: not IP:PORT", s)
		}
		if slices.Contains(o.Own, s) {
			return nil, fmt.Errorf("upstream resolver %v is the sandbox's own resolver", s)
		}
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Attempts == 0 {
		o.Attempts = 2
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	f := &Forwarder{
		servers:  slices.Clone(o.Servers),
		wait:     o.Timeout,
		attempts: o.Attempts,
		dial:     o.Dial,
		log:      orDiscard(o.Log),
		admitted: make(chan struct{}, maxInFlight+maxWaiting),
		inFlight: make(chan struct{}, maxInFlight),
	}
	if n := len(o.Servers); n > 1 {
		f.wait = max(o.Timeout/time.Duration(n), min(minWait, o.Timeout))
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

// Close makes the questions in flight, and all later ones, fail at once. The
// goroutines belong to the Server, which is closed after.
func (f *Forwarder) Close() { f.cancel() }

// Stats reads the counters.
func (f *Forwarder) Stats() Stats {
	return Stats{
		Queries:  f.queries.Load(),
		Answered: f.answered.Load(),
		Failed:   f.failed.Load(),
		Refused:  f.refused.Load(),
		Dropped:  f.dropped.Load(),
	}
}

// ServeDNS answers q, or drops it where there is no room. Once a question is
// being asked it takes at most Attempts walks, each of Timeout, or twice that
// where servers are slow over UDP and again over TCP.
func (f *Forwarder) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	f.queries.Add(1)
	m := refuse(q)
	if m == nil && len(f.servers) == 0 {
		m = failure(q, dns.RcodeRefused)
	}
	if m != nil {
		f.refused.Add(1)
		reply(w, q, m)
		return
	}
	select {
	case f.admitted <- struct{}{}:
	default:
		f.dropped.Add(1)
		return
	}
	defer func() { <-f.admitted }()
	select {
	case f.inFlight <- struct{}{}:
	case <-f.ctx.Done():
		f.dropped.Add(1)
		return
	}
	m = f.resolve(q)
	<-f.inFlight
	if m == nil {
		f.failed.Add(1)
		m = failure(q, dns.RcodeServerFailure)
	} else {
		f.answered.Add(1)
	}
	reply(w, q, m)
}
