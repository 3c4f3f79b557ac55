package stack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Echo is an echo request that reached the gateway, v4 or v6 by Src.Is4(). Its
// Way is its IP header's: nothing has decremented the TTL.
type Echo struct {
	Src, Dst netip.Addr
	ID, Seq  uint16
	Way
	Payload []byte // after the 8 bytes of the ICMP header
	Raw     []byte // the whole IP packet, reassembled, for quoting
}

// handleEcho makes h the handler of echo requests to addresses that the stack
// does not own. Returning true keeps netstack from answering them.
func (s *Stack) handleEcho(h func(Echo)) {
	handler := func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		dst := toAddr(pkt.Network().DestinationAddress())
		if s.owns(dst) {
			return false
		}
		if e, ok := parseEcho(pkt); ok && s.isUnicast(dst) {
			h(e)
		}
		return true
	}
	s.net.SetTransportProtocolHandler(header.ICMPv4ProtocolNumber, handler)
	s.net.SetTransportProtocolHandler(header.ICMPv6ProtocolNumber, handler)
}

// parseEcho reads an echo request; false for every other message.
func parseEcho(pkt *stack.PacketBuffer) (Echo, bool) {
	h := pkt.TransportHeader().Slice()
	v4 := pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber
	request := uint8(header.ICMPv6EchoRequest)
	if v4 {
		request = uint8(header.ICMPv4Echo)
	}
	if len(h) < header.ICMPv4MinimumSize || h[0] != request || h[1] != 0 {
		return Echo{}, false
	}
	raw := quotePacket(pkt)
	hl := header.IPv6MinimumSize
	if v4 {
		hl = int(header.IPv4(raw).HeaderLength())
	}
	if len(raw) < hl+header.ICMPv4MinimumSize {
		return Echo{}, false
	}
	n := pkt.Network()
	e := Echo{
		Src:     toAddr(n.SourceAddress()),
		Dst:     toAddr(n.DestinationAddress()),
		Way:     wayOf(pkt),
		Payload: raw[hl+header.ICMPv4MinimumSize:],
		Raw:     raw,
	}
	if v4 {
		e.ID, e.Seq = header.ICMPv4(raw[hl:]).Ident(), header.ICMPv4(raw[hl:]).Sequence()
	} else {
		e.ID, e.Seq = header.ICMPv6(raw[hl:]).Ident(), header.ICMPv6(raw[hl:]).Sequence()
	}
	return e, true
}

// EchoReply sends the reply to e from e.Dst, with this TTL.
func (s *Stack) EchoReply(e Echo, ttl uint8) {
	msg := make([]byte, header.ICMPv4MinimumSize+len(e.Payload))
	copy(msg[header.ICMPv4MinimumSize:], e.Payload)
	if e.Src.Is4() {
		h := header.ICMPv4(msg)
		h.SetType(header.ICMPv4EchoReply)
		h.SetIdent(e.ID)
		h.SetSequence(e.Seq)
	} else {
		h := header.ICMPv6(msg)
		h.SetType(header.ICMPv6EchoReply)
		h.SetIdent(e.ID)
		h.SetSequence(e.Seq)
	}
	s.sendICMP(e.Dst, e.Src, msg, ttl, 0)
}

// EchoError sends an ICMP error about e.
func (s *Stack) EchoError(e Echo, err ICMPError) { s.SendError(e.Src, err, e.Raw) }
