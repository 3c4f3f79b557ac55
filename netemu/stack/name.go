package stack

import (
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport"
)

// Local is getsockname(2): what the endpoint is bound to, a group say, also where
// netstack tells where it sends from (inet_getname). v4 addresses are v4-mapped on
// an Inet6 endpoint.
func (e *Endpoint) Local() (Addr, unix.Errno) {
	fa, err := e.ep.GetLocalAddress()
	if info, ok := e.ep.Info().(*stack.TransportEndpointInfo); ok && e.kind != kindTCP && info.BindAddr.BitLen() != 0 {
		fa.Addr = info.BindAddr
	}
	if e.kind != kindRaw && fa.Port == 0 {
		fa.Addr = tcpip.Address{} // netstack keeps that of a bind(2) which failed
	}
	return e.family.addr(fa), errno(err)
}

// Remote is the peer: ENOTCONN when not connected. That of a UDP socket may have
// port 0, which getpeername(2) does not tell (inet_getname).
func (e *Endpoint) Remote() (Addr, unix.Errno) {
	fa, err := e.ep.GetRemoteAddress()
	if e.kind != kindRaw && err == nil {
		return e.family.addr(fa), 0
	}
	e.mu.Lock()
	peer := e.peer
	e.mu.Unlock()
	portless := e.kind == kindUDP && transport.DatagramEndpointState(e.ep.State()) == transport.DatagramEndpointStateConnected
	if !peer.IsValid() || e.kind != kindRaw && !portless {
		return Addr{}, unix.ENOTCONN
	}
	return peer, 0
}
