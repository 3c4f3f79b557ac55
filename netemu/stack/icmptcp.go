package stack

import (
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// errorToTCP passes on what netstack does not: time exceeded, parameter
// problem, and the ICMPv6 codes other than no route and port. Each ends a
// handshake, and nothing else, as on Linux (tcp_v4_err, tcp_v6_err).
func errorToTCP(te stack.TransportEndpoint, e QueuedError, pkt *stack.PacketBuffer) {
	if e.Errno == unix.EMSGSIZE {
		return // netstack's own
	}
	if e.Origin == unix.SO_EE_ORIGIN_ICMP {
		if header.ICMPv4Type(e.Type) != header.ICMPv4DstUnreachable {
			te.HandleError(handshakeError{e}, pkt)
		}
		return
	}
	if header.ICMPv6Type(e.Type) == header.ICMPv6DstUnreachable {
		switch header.ICMPv6Code(e.Code) {
		case header.ICMPv6NetworkUnreachable, header.ICMPv6PortUnreachable:
			return
		}
	}
	te.HandleError(handshakeError{e}, pkt)
}

// handshakeError implements stack.TransportError. To netstack it is a host that
// cannot be reached; Endpoint.refused has the errno.
type handshakeError struct{ e QueuedError }

func (h handshakeError) Origin() tcpip.SockErrOrigin { return tcpip.SockErrOrigin(h.e.Origin) }
func (h handshakeError) Type() uint8                 { return h.e.Type }
func (h handshakeError) Code() uint8                 { return h.e.Code }
func (h handshakeError) Info() uint32                { return h.e.Info }
func (handshakeError) Kind() stack.TransportErrorKind {
	return stack.DestinationHostUnreachableTransportError
}

// refuse notes what the ICMP error that is about to end the handshake means to
// the program: netstack has fewer errors than Linux.
func (e *Endpoint) refuse(en unix.Errno) {
	if en == unix.EMSGSIZE {
		return
	}
	switch tcp.EndpointState(e.ep.State()) {
	case tcp.StateConnecting, tcp.StateSynSent:
		e.mu.Lock()
		e.refused = en
		e.mu.Unlock()
	}
}

// refusedLocked is the error of a failed connection, en to netstack.
//
// Preconditions: e.mu is locked.
func (e *Endpoint) refusedLocked(en unix.Errno) unix.Errno {
	if e.refused != 0 {
		return e.refused
	}
	return en
}
