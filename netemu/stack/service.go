package stack

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// serviceBacklog is the accept queue of our own listeners, Linux's somaxconn.
const serviceBacklog = 4096

// ListenTCP listens on an address of this stack. Accepted connections are Conns.
func (s *Stack) ListenTCP(a netip.AddrPort) (net.Listener, error) {
	wq := new(waiter.Queue)
	ep, err := s.net.NewEndpoint(tcp.ProtocolNumber, netProto(a.Addr()), wq)
	if err != nil {
		return nil, fmt.Errorf("listen tcp %s: %w", a, errno(err))
	}
	if err := ep.Bind(fullAddress(a)); err != nil {
		ep.Close()
		return nil, fmt.Errorf("listen tcp %s: bind: %w", a, errno(err))
	}
	if err := ep.Listen(serviceBacklog); err != nil {
		ep.Close()
		return nil, fmt.Errorf("listen tcp %s: %w", a, errno(err))
	}
	local, err := ep.GetLocalAddress()
	if err != nil {
		ep.Close()
		return nil, fmt.Errorf("listen tcp %s: %w", a, errno(err))
	}
	if local.Addr.BitLen() == 0 {
		local.Addr = fromAddr(a.Addr())
	}
	return &listenerTCP{ep: ep, wq: wq, addr: tcpAddr(local), closed: make(chan struct{})}, nil
}

// listenerTCP implements net.Listener.
type listenerTCP struct {
	ep        tcpip.Endpoint
	wq        *waiter.Queue
	addr      net.Addr
	closeOnce sync.Once
	closed    chan struct{}
}

// Accept implements net.Listener.
func (l *listenerTCP) Accept() (net.Conn, error) {
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp)
	l.wq.EventRegister(&entry)
	defer l.wq.EventUnregister(&entry)
	for {
		ep, wq, err := l.ep.Accept(nil)
		if err == nil {
			return newConn(ep, wq), nil
		}
		if _, block := err.(*tcpip.ErrWouldBlock); !block {
			return nil, l.acceptError(errno(err))
		}
		select {
		case <-ready:
		case <-l.closed:
			return nil, l.acceptError(net.ErrClosed)
		}
	}
}

// acceptError says net.ErrClosed for what netstack says of a closed listener.
func (l *listenerTCP) acceptError(err error) error {
	select {
	case <-l.closed:
		err = net.ErrClosed
	default:
	}
	return &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: err}
}

// Close implements net.Listener.
func (l *listenerTCP) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	l.ep.Close()
	return nil
}

// Addr implements net.Listener.
func (l *listenerTCP) Addr() net.Addr { return l.addr }

// ListenUDP binds a UDP socket on an address of this stack.
func (s *Stack) ListenUDP(a netip.AddrPort) (net.PacketConn, error) {
	fa := fullAddress(a)
	c, err := gonet.DialUDP(s.net, &fa, nil, netProto(a.Addr()))
	if err != nil {
		return nil, fmt.Errorf("listen udp %s: %w", a, err)
	}
	return c, nil
}

// DialTCP connects from local (zero: chosen) to remote. On a gateway local may
// be any address: its stack may send from all.
//
// bound, if not nil, is told the own address before the handshake begins.
func (s *Stack) DialTCP(ctx context.Context, local, remote netip.AddrPort, bound func(netip.AddrPort)) (Conn, error) {
	wq := new(waiter.Queue)
	ep, err := s.net.NewEndpoint(tcp.ProtocolNumber, netProto(remote.Addr()), wq)
	if err != nil {
		return nil, fmt.Errorf("dial tcp %s: %w", remote, errno(err))
	}
	if err := s.dial(ctx, ep, wq, local, remote, bound); err != nil {
		ep.Close()
		return nil, fmt.Errorf("dial tcp %s: %w", remote, err)
	}
	return newConn(ep, wq), nil
}

// dial binds and connects ep and waits for the handshake's end.
func (s *Stack) dial(ctx context.Context, ep tcpip.Endpoint, wq *waiter.Queue, local, remote netip.AddrPort, bound func(netip.AddrPort)) error {
	entry, ready := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventHUp | waiter.EventErr)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	if local.IsValid() {
		if err := ep.Bind(fullAddress(local)); err != nil {
			return errno(err)
		}
	}
	if bound != nil {
		own, err := ep.GetLocalAddress()
		if err != nil {
			return errno(err)
		}
		bound(netip.AddrPortFrom(toAddr(own.Addr), own.Port))
	}
	err := ep.Connect(fullAddress(remote))
	if _, started := err.(*tcpip.ErrConnectStarted); !started {
		return errnoOrNil(err)
	}
	select {
	case <-ready:
		return errnoOrNil(ep.LastError())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errnoOrNil is errno as an error, nil for none.
func errnoOrNil(err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return errno(err)
}

// DialUDP makes a connected UDP socket from local (zero: chosen) to remote.
func (s *Stack) DialUDP(local, remote netip.AddrPort) (net.Conn, error) {
	wq := new(waiter.Queue)
	ep, err := s.net.NewEndpoint(udp.ProtocolNumber, netProto(remote.Addr()), wq)
	if err != nil {
		return nil, fmt.Errorf("dial udp %s: %w", remote, errno(err))
	}
	ep.SocketOptions().SetMark(markFragment) // as a socket of IP_PMTUDISC_WANT
	if local.IsValid() {
		err = ep.Bind(fullAddress(local))
	}
	if err == nil {
		err = ep.Connect(fullAddress(remote))
	}
	if err != nil {
		ep.Close()
		return nil, fmt.Errorf("dial udp %s: %w", remote, errno(err))
	}
	return newConnUDP(ep, wq), nil
}

// fullAddress converts an address of one of our own services; v4-mapped counts
// as v4. The NIC is named for what a gateway spoofs: only then does netstack
// take a source address that it does not own.
func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	fa := tcpip.FullAddress{Port: a.Port()}
	if ip := a.Addr().Unmap(); ip.IsValid() && !ip.IsUnspecified() {
		fa.Addr = fromAddr(ip)
	}
	return fa
}
