package stack

import (
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// ForwardedDatagram is a UDP datagram that reached the gateway, with its IP header's
// say. It is valid during the handler's call, or until Release if it is held.
type ForwardedDatagram struct {
	Src, Dst netip.AddrPort // the sandbox's end, and where it wants to go
	Way

	s   *Stack
	pkt *stack.PacketBuffer
}

// handleDatagrams makes h the handler of datagrams that no endpoint takes, and gone
// that of the sandbox's word that a datagram's port is closed.
func (s *Stack) handleDatagrams(h func(ForwardedDatagram), gone func(src, dst netip.AddrPort)) error {
	s.net.SetTransportProtocolHandler(udp.ProtocolNumber, func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		if s.isUnicast(toAddr(id.LocalAddress)) && validUDP(pkt) {
			h(ForwardedDatagram{
				Src: addrPort(id.RemoteAddress, id.RemotePort),
				Dst: addrPort(id.LocalAddress, id.LocalPort),
				Way: wayOf(pkt),
				s:   s, pkt: pkt,
			})
		}
		return true
	})
	t := goneTap(gone)
	if err := s.net.RegisterRawTransportEndpoint(header.IPv4ProtocolNumber, header.ICMPv4ProtocolNumber, t); err != nil {
		return fmt.Errorf("tapping ICMP: %s", err)
	}
	if err := s.net.RegisterRawTransportEndpoint(header.IPv6ProtocolNumber, header.ICMPv6ProtocolNumber, t); err != nil {
		return fmt.Errorf("tapping ICMPv6: %s", err)
	}
	return nil
}

// validUDP does what netstack's endpoint does before it takes a datagram.
func validUDP(pkt *stack.PacketBuffer) bool {
	n := pkt.Network()
	lengthOK, sumOK := header.UDPValid(header.UDP(pkt.TransportHeader().Slice()),
		func() uint16 { return pkt.Data().Checksum() }, uint16(pkt.Data().Size()), pkt.NetworkProtocolNumber,
		n.SourceAddress(), n.DestinationAddress(), pkt.RXChecksumValidated)
	return lengthOK && sumOK
}

// Size is the payload's, in bytes.
func (d ForwardedDatagram) Size() int {
	length := int(header.UDP(d.pkt.TransportHeader().Slice()).Length()) - header.UDPMinimumSize
	return min(length, d.pkt.Data().Size())
}

// Payload copies the payload into b, as far as there is room.
func (d ForwardedDatagram) Payload(b []byte) int {
	size := min(d.Size(), len(b))
	w := tcpip.SliceWriter(b[:size])
	_, _ = d.pkt.Data().ReadTo(&w, true) // the error is that w is full
	return size
}

// AppendQuote appends the headers, IP's and UDP's, and up to room bytes of the
// payload, and tells where in the result the payload begins.
func (d ForwardedDatagram) AppendQuote(b []byte, room int) (quote []byte, payload int) {
	before := d.pkt.Data().Size()
	quote = appendQuote(b, d.pkt, room)
	return quote, len(quote) - min(room, before)
}

// Hold makes a datagram that is valid until Release.
func (d ForwardedDatagram) Hold() ForwardedDatagram {
	d.pkt = d.pkt.Clone()
	return d
}

// Memory is what the datagram's packet keeps while it is held, in bytes: all that
// came with it, also behind the ends that the lengths in its headers tell.
func (d ForwardedDatagram) Memory() int {
	n := 0
	list, _ := d.pkt.AsViewList()
	for v := list.Front(); v != nil; v = v.Next() {
		n += v.Capacity()
	}
	return n
}

// Release frees a held datagram.
func (d ForwardedDatagram) Release() { d.pkt.DecRef() }

// Unreachable answers with an ICMP error that quotes the datagram.
func (d ForwardedDatagram) Unreachable(code Unreachable) {
	d.s.sendUnreachable(d.Src.Addr(), d.Dst.Addr(), code, appendQuote(nil, d.pkt, maxErrorPacket6))
}

// SendDatagram sends a datagram of a host of the real network into the sandbox.
// What is larger than the link's MTU goes in fragments.
func (s *Stack) SendDatagram(src, dst netip.AddrPort, way Way, payload []byte) error {
	r, err := s.net.FindRoute(0, fromAddr(src.Addr()), fromAddr(dst.Addr()), netProto(dst.Addr()), false)
	if err != nil {
		return errno(err)
	}
	defer r.Release()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(r.MaxHeaderLength()) + header.UDPMinimumSize,
		Payload:            buffer.MakeWithData(payload),
	})
	defer pkt.DecRef()
	pkt.TransportProtocolNumber = udp.ProtocolNumber
	length := uint16(header.UDPMinimumSize + len(payload))
	h := header.UDP(pkt.TransportHeader().Push(header.UDPMinimumSize))
	h.Encode(&header.UDPFields{SrcPort: src.Port(), DstPort: dst.Port(), Length: length})
	if r.RequiresTXTransportChecksum() {
		sum := r.PseudoHeaderChecksum(udp.ProtocolNumber, length)
		h.SetChecksum(^h.CalculateChecksum(checksum.Combine(sum, pkt.Data().Checksum())))
	}
	if err := r.WritePacket(stack.NetworkHeaderParams{Protocol: udp.ProtocolNumber, TTL: way.TTL, TOS: way.TOS}, pkt); err != nil {
		return errno(err)
	}
	return nil
}

// goneTap sees the ICMP messages that reach a gateway and tells of those that
// say "port unreachable" about a datagram from src to dst, the sandbox's end. It
// implements stack.RawTransportEndpoint.
type goneTap func(src, dst netip.AddrPort)

// HandlePacket implements stack.RawTransportEndpoint.
func (t goneTap) HandlePacket(pkt *stack.PacketBuffer) {
	v4 := pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber
	h := pkt.TransportHeader().Slice()
	if len(h) < header.ICMPv4MinimumSize {
		return
	}
	if v4 && (h[0] != uint8(header.ICMPv4DstUnreachable) || h[1] != unreachableCodes[UnreachablePort].v4) ||
		!v4 && (h[0] != uint8(header.ICMPv6DstUnreachable) || h[1] != unreachableCodes[UnreachablePort].v6) {
		return
	}
	view := stack.PayloadSince(pkt.TransportHeader())
	defer view.Release()
	msg := view.AsSlice()
	if !validICMP(v4, pkt, msg) {
		return
	}
	q, ok := parseQuote(v4, msg[header.ICMPv4MinimumSize:])
	if !ok || q.proto != udp.ProtocolNumber || len(q.body) < header.UDPMinimumSize {
		return
	}
	u := header.UDP(q.body)
	t(netip.AddrPortFrom(q.src, u.SourcePort()), netip.AddrPortFrom(q.dst, u.DestinationPort()))
}
