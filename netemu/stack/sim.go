package stack

import (
	"errors"
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"netbox/netemu/link"
)

// SimConfig describes a simulated internet.
type SimConfig struct {
	Link  link.Endpoint
	MTU   int          // in bytes; 0: the link's
	Addrs []netip.Addr // owned; the first of each family is the router that reports errors
}

var errNoAddrs = errors.New("no addresses")

// NewSim makes a stack that owns c.Addrs: it answers echo requests to them,
// services can listen on them, and other ports are refused. A packet to any
// other address is answered with ICMP host unreachable (ICMPv6: address
// unreachable). It owns c.Link from then on, also when it fails.
//
// Services listen on an owned address, not on the wildcard: that would take
// what is sent to addresses that nobody owns.
func NewSim(c SimConfig) (*Stack, error) {
	if len(c.Addrs) == 0 {
		return nil, fmt.Errorf("sim stack: %w", errNoAddrs)
	}
	addrs := make([]netip.Prefix, len(c.Addrs))
	for i, a := range c.Addrs {
		addrs[i] = netip.PrefixFrom(a, a.BitLen())
	}
	s, err := newFarSide(c.Link, c.MTU, addrs)
	if err != nil {
		return nil, fmt.Errorf("sim stack: %w", err)
	}
	owned := make(map[netip.Addr]bool, len(c.Addrs))
	for _, a := range c.Addrs {
		owned[a] = true
	}
	h := s.refuseOthers(owned)
	s.net.SetTransportProtocolHandler(tcp.ProtocolNumber, h)
	s.net.SetTransportProtocolHandler(udp.ProtocolNumber, h)
	s.net.SetTransportProtocolHandler(header.ICMPv4ProtocolNumber, h)
	s.net.SetTransportProtocolHandler(header.ICMPv6ProtocolNumber, h)
	return s, nil
}

// refuseOthers is the handler of packets that no endpoint takes: those to owned
// addresses are left to netstack (echo reply, RST, port unreachable), about
// the rest it sends errors.
func (s *Stack) refuseOthers(owned map[netip.Addr]bool) func(stack.TransportEndpointID, *stack.PacketBuffer) bool {
	return func(_ stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		n := pkt.Network()
		src, dst := toAddr(n.SourceAddress()), toAddr(n.DestinationAddress())
		if owned[dst] {
			return false
		}
		if s.isUnicast(dst) && !aboutICMP(pkt) {
			s.sendUnreachable(src, dst, UnreachableHost, quotePacket(pkt))
		}
		return true
	}
}

// aboutICMP says whether an error about pkt must not be sent: it is an ICMP
// message, and no echo request (RFC 1812 section 4.3.2.7).
func aboutICMP(pkt *stack.PacketBuffer) bool {
	h := pkt.TransportHeader().Slice()
	switch pkt.TransportProtocolNumber {
	case header.ICMPv4ProtocolNumber:
		return len(h) == 0 || header.ICMPv4Type(h[0]) != header.ICMPv4Echo
	case header.ICMPv6ProtocolNumber:
		return len(h) == 0 || header.ICMPv6Type(h[0]) != header.ICMPv6EchoRequest
	}
	return false
}
