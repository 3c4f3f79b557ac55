package stack

import (
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/waiter"
)

// rawProtocol is an IP protocol that netstack does not know, registered so that
// it gives the protocol's packets to raw sockets. It implements
// stack.TransportProtocol; nothing but raw endpoints is ever made of it.
type rawProtocol struct {
	s      *Stack
	number tcpip.TransportProtocolNumber
}

// rawProtocols are all protocol numbers but those that netstack knows, and the
// IPv6 extension headers that it takes a packet apart by.
func (s *Stack) rawProtocols() []stack.TransportProtocolFactory {
	var all []stack.TransportProtocolFactory
	for n := tcpip.TransportProtocolNumber(1); n <= unix.IPPROTO_RAW; n++ {
		switch n {
		case header.TCPProtocolNumber, header.UDPProtocolNumber, header.ICMPv4ProtocolNumber, header.ICMPv6ProtocolNumber:
		case unix.IPPROTO_ROUTING, unix.IPPROTO_FRAGMENT, unix.IPPROTO_NONE, unix.IPPROTO_DSTOPTS:
		default:
			all = append(all, func(*stack.Stack) stack.TransportProtocol { return &rawProtocol{s, n} })
		}
	}
	return all
}

// Number implements stack.TransportProtocol.
func (p *rawProtocol) Number() tcpip.TransportProtocolNumber { return p.number }

// NewEndpoint implements stack.TransportProtocol.
func (p *rawProtocol) NewEndpoint(tcpip.NetworkProtocolNumber, *waiter.Queue) (tcpip.Endpoint, tcpip.Error) {
	return nil, &tcpip.ErrUnknownProtocol{}
}

// NewRawEndpoint implements stack.TransportProtocol; NewRaw does not come here.
func (p *rawProtocol) NewRawEndpoint(tcpip.NetworkProtocolNumber, *waiter.Queue) (tcpip.Endpoint, tcpip.Error) {
	return nil, &tcpip.ErrUnknownProtocol{}
}

// MinimumPacketSize implements stack.TransportProtocol: netstack wants a header,
// and one byte is the least that it takes for one.
func (p *rawProtocol) MinimumPacketSize() int { return 1 }

// ParsePorts implements stack.TransportProtocol.
func (p *rawProtocol) ParsePorts([]byte) (src, dst uint16, err tcpip.Error) { return 0, 0, nil }

// Parse implements stack.TransportProtocol.
func (p *rawProtocol) Parse(pkt *stack.PacketBuffer) bool {
	_, ok := pkt.TransportHeader().Consume(p.MinimumPacketSize())
	pkt.TransportProtocolNumber = p.number
	return ok
}

// unreachableProtocol and unknownNextHeader are how a host refuses a protocol
// (RFC 792; RFC 4443 section 3.4). offsetNextHeader is where IPv6's header names it.
const (
	unreachableProtocol = 2
	unknownNextHeader   = 1
	offsetNextHeader    = 6
)

// HandleUnknownDestinationPacket implements stack.TransportProtocol: every packet
// ends here. Without a raw socket for it the sender is told, as by
// ip_protocol_deliver_rcu and ip6_protocol_deliver_rcu.
func (p *rawProtocol) HandleUnknownDestinationPacket(id stack.TransportEndpointID, pkt *stack.PacketBuffer) stack.UnknownDestinationPacketDisposition {
	family := Inet6
	if pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber {
		family = Inet4
	}
	src, dst := toAddr(id.RemoteAddress), toAddr(id.LocalAddress)
	if len(p.s.rawSockets(family, p.number)) > 0 || src.IsUnspecified() || !p.s.isUnicast(dst) {
		return stack.UnknownDestinationPacketHandled
	}
	quoted := quotePacket(pkt)
	e := ICMPError{From: dst, Type: uint8(header.ICMPv4DstUnreachable), Code: unreachableProtocol}
	if family == Inet6 {
		e = ICMPError{From: dst, Type: uint8(header.ICMPv6ParamProblem), Code: unknownNextHeader, Info: offsetNextHeader}
	}
	p.s.SendError(src, e, quoted)
	return stack.UnknownDestinationPacketHandled
}

// SetOption implements stack.TransportProtocol.
func (p *rawProtocol) SetOption(tcpip.SettableTransportProtocolOption) tcpip.Error {
	return &tcpip.ErrUnknownProtocolOption{}
}

// Option implements stack.TransportProtocol.
func (p *rawProtocol) Option(tcpip.GettableTransportProtocolOption) tcpip.Error {
	return &tcpip.ErrUnknownProtocolOption{}
}

// Close implements stack.TransportProtocol.
func (p *rawProtocol) Close() {}

// Wait implements stack.TransportProtocol.
func (p *rawProtocol) Wait() {}

// Pause implements stack.TransportProtocol.
func (p *rawProtocol) Pause() {}

// Resume implements stack.TransportProtocol.
func (p *rawProtocol) Resume() {}

// Restore implements stack.TransportProtocol.
func (p *rawProtocol) Restore() {}
