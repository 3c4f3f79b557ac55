package dns

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"
)

const (
	// maxConns bounds the TCP connections to one listener; more wait in its
	// backlog. A resolver in a program holds one at a time.
	maxConns = 256
	// maxQuery is the largest question taken over UDP, in bytes; longer ones
	// are cut and so malformed. Questions with every EDNS option in use stay
	// below 1 KiB.
	maxQuery = 4096
	// writeTimeout ends a connection whose program asks and never reads.
	writeTimeout = 10 * time.Second
)

// Network is what a resolver listens on: a stack.Stack.
type Network interface {
	ListenTCP(netip.AddrPort) (net.Listener, error)
	ListenUDP(netip.AddrPort) (net.PacketConn, error)
}

// Server answers on any number of sockets with one handler. It owns the
// sockets it is given.
type Server struct {
	handler dns.Handler
	log     *slog.Logger

	mu      sync.Mutex
	closed  bool
	servers []*dns.Server
	conns   connSet
	wg      sync.WaitGroup // one for each of servers
}

// NewServer gives a server without sockets. log takes what goes wrong later; nil:
// nothing.
func NewServer(h dns.Handler, log *slog.Logger) *Server {
	return &Server{handler: h, log: orDiscard(log), conns: connSet{open: make(map[net.Conn]struct{})}}
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// Listen serves port 53 of the addresses, UDP and TCP. On an error the server
// has to be closed.
func (s *Server) Listen(n Network, addrs ...netip.Addr) error {
	for _, a := range addrs {
		at := netip.AddrPortFrom(a, Port)
		pc, err := n.ListenUDP(at)
		if err != nil {
			return fmt.Errorf("resolver at %v: udp: %w", at, err)
		}
		if err := s.ServePacket(pc); err != nil {
			return fmt.Errorf("resolver at %v: udp: %w", at, err)
		}
		l, err := n.ListenTCP(at)
		if err != nil {
			return fmt.Errorf("resolver at %v: tcp: %w", at, err)
		}
		if err := s.ServeStream(l); err != nil {
			return fmt.Errorf("resolver at %v: tcp: %w", at, err)
		}
	}
	return nil
}

// ServePacket starts answering datagrams on pc.
func (s *Server) ServePacket(pc net.PacketConn) error {
	if err := s.start(&dns.Server{PacketConn: pc, Handler: s.handler, UDPSize: maxQuery}); err != nil {
		pc.Close()
		return err
	}
	return nil
}

// ServeStream starts answering connections accepted from l.
func (s *Server) ServeStream(l net.Listener) error {
	l = &listener{Listener: netutil.LimitListener(l, maxConns), conns: &s.conns}
	if err := s.start(&dns.Server{Listener: l, Handler: s.handler}); err != nil {
		l.Close()
		return err
	}
	return nil
}

var errClosed = errors.New("resolver is closed")

// start runs srv on a goroutine of its own and returns when it serves: before
// that, miekg's Shutdown would find nothing to end.
func (s *Server) start(srv *dns.Server) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	started := make(chan struct{})
	failed := make(chan error, 1)
	srv.NotifyStartedFunc = func() { close(started) }
	s.wg.Add(1) // ActivateAndServe
	go func() {
		defer s.wg.Done()
		if err := srv.ActivateAndServe(); err != nil {
			failed <- err
			s.report(err)
		}
	}()
	select {
	case <-started:
		s.servers = append(s.servers, srv)
		return nil
	case err := <-failed:
		return err
	}
}

// report tells of a socket that ended before Close: the sandbox is without
// that resolver from then on.
func (s *Server) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.log.Error("resolver stopped", "err", err)
	}
}

// Stop gives the sockets up at once, so that their ports are free, and does not
// wait for the questions in flight; Close joins those.
func (s *Server) Stop() {
	s.mu.Lock()
	s.closed = true
	servers := s.servers
	s.mu.Unlock()
	for _, srv := range servers {
		// The sockets can only be closed already.
		if srv.PacketConn != nil {
			_ = srv.PacketConn.Close()
		}
		if srv.Listener != nil {
			_ = srv.Listener.Close()
		}
	}
	s.conns.closeAll()
}

// Close closes the sockets and joins every goroutine. A Forwarder behind the
// handler is closed before, else Close waits for its questions in flight.
func (s *Server) Close() {
	s.Stop()
	s.mu.Lock()
	servers := s.servers
	s.servers = nil
	s.mu.Unlock()
	for _, srv := range servers {
		// The error is "not started": a server that stopped by itself.
		_ = srv.Shutdown()
	}
	s.wg.Wait()
}
