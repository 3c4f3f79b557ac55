// Package publish makes ports of the sandbox reachable at ports of the host:
// netbox run -p.
//
// Listen opens every host port before the program starts, so that a port
// already taken is known then. Serve carries what comes there into the sandbox
// through the stack on the far side of its link: the program sees a client at
// the gateway's address (10.0.2.2 or fd00:2::2), and answers to it.
//
//	host client ⇄ host socket ⇄ Server ⇄ far stack ⇄ link ⇄ program's listener
//
// A specification without an address means all addresses of the host, v4 and
// v6, as with docker run -p: who publishes a port wants it seen from outside,
// and a published port is the one hole that is asked for by name. 127.0.0.1:
// before the ports keeps it to the host.
//
// A client of one IP version is carried to the sandbox's address of the same
// version, and to the other one if nothing answers there, since many programs
// listen on 0.0.0.0 only. If nothing answers at all, the client's connection is
// reset, which is as near to a refusal as an accepted connection allows.
//
// Ownership: a Server owns its sockets and goroutines; Close ends both. The
// stack it dials through must be closed later.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/netemu/uplink"
	"netbox/netemu/uplink/relay"
)

// Dialer is a stack on the far side of the sandbox's link that can send from
// the gateway's addresses; *stack.Stack is one.
type Dialer interface {
	DialTCP(ctx context.Context, local, remote netip.AddrPort, bound func(netip.AddrPort)) (stack.Conn, error)
	DialUDP(local, remote netip.AddrPort) (net.Conn, error)
}

// Stats counts since Listen.
type Stats struct {
	TCPFlows, UDPFlows uint64
	TCPNoRoom          uint64 // connections reset: maxFlows
	TCPUnanswered      uint64 // connections reset: nothing answers in the sandbox
	UDPEvicted         uint64 // clients forgotten for a new one: maxClients
	UDPDropped         uint64 // datagrams that a socket would not take
}

type counters struct {
	tcpFlows, tcpNoRoom, tcpUnanswered atomic.Uint64
	udpFlows, udpEvicted, udpDropped   atomic.Uint64
}

// Server is a set of published ports.
type Server struct {
	log     *slog.Logger
	tcp     []*tcpPort
	udp     []*udpPort
	flows   *relay.Table
	udpIdle time.Duration

	dialer  Dialer
	fast    *relay.Shortcuts
	ctx     context.Context // done when Close begins
	cancel  context.CancelFunc
	running relay.Group
	closing sync.Once
	count   counters
}

// Listen opens the host's ports. Nothing is accepted before Serve, but the
// kernel queues. log may be nil.
func Listen(specs []Spec, log *slog.Logger) (*Server, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{log: log, flows: relay.NewTable(maxFlows), udpIdle: clientIdle}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, spec := range specs {
		if err := s.listen(spec); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *Server) listen(spec Spec) error {
	if spec.Addr.IsValid() {
		return s.open(spec, netip.AddrPortFrom(spec.Addr, spec.HostPort))
	}
	err := s.open(spec, netip.AddrPortFrom(netip.IPv4Unspecified(), spec.HostPort))
	if err != nil {
		return err
	}
	err = s.open(spec, netip.AddrPortFrom(netip.IPv6Unspecified(), spec.HostPort))
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) {
		s.log.Debug("no IPv6 on this host", "port", spec, "err", err)
		return nil
	}
	return err
}

func (s *Server) open(spec Spec, at netip.AddrPort) error {
	var err error
	if spec.Proto == UDP {
		err = s.openUDP(spec, at)
	} else {
		err = s.openTCP(spec, at)
	}
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("publishing %s: port %s/%s of the host is already taken: %w", spec, at, spec.Proto, err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("publishing %s: ports below net.ipv4.ip_unprivileged_port_start need privilege: %w", spec, err)
	case err != nil:
		return fmt.Errorf("publishing %s: %w", spec, err)
	}
	return nil
}

// Addrs are the host addresses listened on, in the order of the
// specifications, TCP before UDP.
func (s *Server) Addrs() []netip.AddrPort {
	var addrs []netip.AddrPort
	for _, p := range s.tcp {
		addrs = append(addrs, p.addr)
	}
	for _, p := range s.udp {
		addrs = append(addrs, p.conn.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	return addrs
}

// Serve begins to carry connections and datagrams into the sandbox, and
// returns. It is called once. fast is the fast path of connections; nil: there is none.
func (s *Server) Serve(d Dialer, fast *relay.Shortcuts) {
	s.dialer, s.fast = d, fast
	for _, p := range s.tcp {
		s.running.Go(p.serve)
	}
	for _, p := range s.udp {
		s.running.Go(p.serve)
	}
}

// Drain waits until every connection has handed to the host's kernel all that
// the sandbox had sent, or ctx is done; compare uplink.Drainer.
func (s *Server) Drain(ctx context.Context) {
	for s.flows.Outward() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// Close closes the ports, resets what is still open, and joins the server's
// goroutines.
func (s *Server) Close() {
	s.closing.Do(func() {
		s.cancel()
		for _, p := range s.tcp {
			p.listener.Close()
		}
		for _, p := range s.udp {
			p.close()
		}
		s.flows.Close()
		s.running.Close()
	})
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	c := &s.count
	return Stats{
		TCPFlows: c.tcpFlows.Load(), UDPFlows: c.udpFlows.Load(),
		TCPNoRoom: c.tcpNoRoom.Load(), TCPUnanswered: c.tcpUnanswered.Load(),
		UDPEvicted: c.udpEvicted.Load(), UDPDropped: c.udpDropped.Load(),
	}
}

// path is a way into the sandbox: from a gateway address to the sandbox's.
type path struct{ local, remote netip.AddrPort }

// paths are the ways for a client, the one of its own IP version first.
func paths(client netip.Addr, port uint16) [2]path {
	four := path{netip.AddrPortFrom(uplink.Gateway4, 0), netip.AddrPortFrom(uplink.Host4, port)}
	six := path{netip.AddrPortFrom(uplink.Gateway6, 0), netip.AddrPortFrom(uplink.Host6, port)}
	if client.Unmap().Is4() {
		return [2]path{four, six}
	}
	return [2]path{six, four}
}
