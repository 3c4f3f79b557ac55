// Package nat is the uplink that lets a sandbox use the host's network without
// any right on the host: a gateway made of ordinary sockets.
//
// The gateway stack takes every packet of the link, whatever its destination.
// Flows end in it and go on as the supervisor's own:
//
//	TCP    a SYN waits until the host has connected; only then the handshake
//	       is finished and bytes are relayed (package relay). What the host's
//	       connect(2) fails with goes back as RST or ICMP, or as silence for a
//	       time-out, so that the program's own SYN timer gives ETIMEDOUT.
//	UDP    one connected host socket for each source and destination, until it
//	       is idle or the last program has left the port (UDPPortLeft).
//	ICMP   echo requests go out through package icmp as real echo requests, and
//	       what comes back is handed in with its real source and TTL. Nothing
//	       is answered in another's name.
//
// One function decides which destinations are permitted: guard.check. The
// gateway's own addresses (uplink.Gateway4 and kin) answer echo themselves.
// Listeners on any address, opened through [NAT.Stack], come before all of
// this: that is how the DNS forwarder answers for nameservers.
//
// The gateway is no hop. TTL, TOS and DF (stack.Way) of a SYN or a datagram are
// set on the host's socket, those of an echo request handed to package icmp; a
// datagram comes in with TTL and TOS as the host got it. What the network says of
// a packet is in the error queue of its socket (IP_RECVERR) and goes in as an ICMP
// error from the same offender, quoting the packet of the sandbox: of a UDP flow
// the latest are remembered for that. What the host would not send at all is an
// error of the gateway's own (ownFailure).
//
// # Limits
//
// Each UDP flow is one socket towards one peer, so answers from another port
// than asked (TFTP) are not let in. A TCP connection keeps what its SYN asked of
// the way.
//
// # Who owns what
//
// Start makes the gateway stack; Close ends it. Each TCP flow has a goroutine
// that dials and relays, and a second one where its bytes come by packets; each UDP
// flow one that receives. Datagrams out are sent on the packet path, which is one
// goroutine at a time (package link), but while a socket has no room for them: then a
// goroutine drains the flow's outbox. All are joined by Close, which ends them by
// closing what they wait on, and kept for the next flows until then (relay.Group). The echo transport belongs to the caller
// and must outlive Close's return only as far as it may still call the
// receiver, which then does nothing.
//
// Locks: udpTable.mu, echoTable.mu, outbox.mu and sentHeads.mu are leaves.
package nat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"netbox/icmp"
	"netbox/netemu/link"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
	"netbox/netemu/uplink/relay"
)

// Echoer sends echo requests to the real network; *icmp.Conn is one.
type Echoer interface {
	Send(icmp.Request) unix.Errno
	SetReceiver(func(icmp.Reply))
}

// Config says how the gateway works. The zero value is ready.
type Config struct {
	// HostLoopback makes uplink.Gateway4 and Gateway6 stand for the host's
	// 127.0.0.1 and ::1, TCP and UDP. Without it they refuse.
	HostLoopback bool
	// Echo carries echo requests; nil: they are answered with ICMP
	// communication administratively prohibited.
	Echo Echoer
	// MTU of the gateway's interface in bytes; 0: the link's.
	MTU int
	// Log takes what is worth a look at debug level; nil: nothing.
	Log *slog.Logger
	// Shortcuts takes what TCP flows are offered to the sandbox's sockets; nil:
	// all bytes go by packets.
	Shortcuts *relay.Shortcuts
	// UDPIdle and DNSIdle are how long a UDP flow may be silent, DNSIdle for
	// port 53; 0: the constants of package nat.
	UDPIdle, DNSIdle time.Duration
}

// NAT is the uplink. It implements uplink.Uplink and uplink.Drainer.
type NAT struct {
	cfg   Config
	log   *slog.Logger
	guard guard

	gateway *stack.Stack
	link    link.Endpoint   // the gateway's end; only its counters are read
	ctx     context.Context // done when Close begins
	cancel  context.CancelFunc
	running relay.Group // goroutines of flows
	closing sync.Once
	noRoom  sync.Once // the warning

	tcp    *relay.Table
	dials  atomic.Int64 // connect(2)s in flight
	udp    udpTable
	queued budget // of the UDP flows
	echo   echoTable
	count  counters
}

var (
	_ uplink.Uplink  = (*NAT)(nil)
	_ uplink.Drainer = (*NAT)(nil)
)

// New prepares the uplink; nothing runs before Start.
func New(c Config) *NAT {
	if c.UDPIdle == 0 {
		c.UDPIdle = udpIdle
	}
	if c.DNSIdle == 0 {
		c.DNSIdle = dnsIdle
	}
	n := &NAT{cfg: c, log: c.Log, guard: guard{hostLoopback: c.HostLoopback}, tcp: relay.NewTable(maxTCPFlows)}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.udp.init()
	n.echo.init()
	return n
}

// Linked implements uplink.Uplink.
func (n *NAT) Linked() bool { return true }

// Stack implements uplink.Uplink.
func (n *NAT) Stack() *stack.Stack { return n.gateway }

// Start implements uplink.Uplink.
func (n *NAT) Start(l link.Endpoint) error {
	if l == nil {
		return errors.New("uplink nat: no link")
	}
	// The stack's hooks may fire before NewGateway has returned.
	started := make(chan struct{})
	defer close(started)
	gateway, err := stack.NewGateway(stack.GatewayConfig{
		Link:     l,
		MTU:      n.cfg.MTU,
		Addrs:    gatewayAddrs(),
		TCP:      func(r *stack.TCPRequest) { <-started; n.serveTCP(r) },
		Datagram: func(d stack.ForwardedDatagram) { <-started; n.serveUDP(d) },
		Gone:     func(src, dst netip.AddrPort) { <-started; n.goneUDP(src, dst) },
		Echo:     func(e stack.Echo) { <-started; n.serveEcho(e) },
	})
	if err != nil {
		return fmt.Errorf("uplink nat: gateway: %w", err)
	}
	n.gateway, n.link = gateway, l
	if n.cfg.Echo != nil {
		n.cfg.Echo.SetReceiver(n.receiveEcho)
	}
	return nil
}

func gatewayAddrs() []netip.Prefix {
	four, six := uplink.Net4.Bits(), uplink.Net6.Bits()
	return []netip.Prefix{
		netip.PrefixFrom(uplink.Gateway4, four), netip.PrefixFrom(uplink.Nameserver4, four),
		netip.PrefixFrom(uplink.Gateway6, six), netip.PrefixFrom(uplink.Nameserver6, six),
	}
}

// Close implements uplink.Uplink. Flows that are still open are reset.
func (n *NAT) Close() error {
	n.closing.Do(func() {
		n.cancel()
		n.echo.close()
		n.udp.close()
		n.tcp.Close()
		if n.gateway != nil {
			n.gateway.Close()
		}
		n.running.Close()
	})
	return nil
}

// Drain implements uplink.Drainer: it waits until every TCP flow has handed
// to the host's kernel all that the sandbox had sent, which only ends with the
// sandbox's FIN, and link and UDP have been quiet.
func (n *NAT) Drain(ctx context.Context) {
	arrived, since := n.link.Stats().RxPackets, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(drainPoll):
		}
		if now := n.link.Stats().RxPackets; now != arrived {
			arrived, since = now, time.Now()
		}
		if n.tcp.Outward() == 0 && time.Since(since) >= linkQuiet && n.sinceDatagram() >= udpQuiet {
			return
		}
	}
}

const (
	// linkQuiet is how long no packet must have come for the link to be
	// empty, which a busy one empties in some hundred microseconds. It is
	// what the end of every program pays.
	linkQuiet = 2 * time.Millisecond
	// udpQuiet is how long no datagram must have passed for the last one to
	// have left: UDP has no end to wait for, and from socket to socket it is
	// two goroutines' turn on a machine that may be busy.
	udpQuiet = 20 * time.Millisecond
	// drainPoll adds this much at most.
	drainPoll = time.Millisecond
)
