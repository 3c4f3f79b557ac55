package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// quotePacket copies an inbound packet, with the header of a whole one if it
// came in fragments.
func quotePacket(pkt *stack.PacketBuffer) []byte {
	return appendQuote(nil, pkt, pkt.Data().Size())
}

// appendQuote copies an inbound packet's headers, as those of a whole one, and
// as much of its data as room says.
func appendQuote(b []byte, pkt *stack.PacketBuffer, room int) []byte {
	transport := pkt.TransportHeader().Slice()
	size := len(transport) + pkt.Data().Size()
	if pkt.NetworkProtocolNumber == header.IPv6ProtocolNumber {
		b = appendHeader6(b, pkt, size)
	} else {
		b = appendHeader4(b, pkt, size)
	}
	b = append(b, transport...)
	heads := len(b)
	b = append(b, make([]byte, min(room, pkt.Data().Size()))...)
	w := tcpip.SliceWriter(b[heads:])
	_, _ = pkt.Data().ReadTo(&w, true) // the error is that w is full
	return b
}

func appendHeader4(b []byte, pkt *stack.PacketBuffer, size int) []byte {
	h := pkt.NetworkHeader().Slice()
	b = append(b, h...)
	n := header.IPv4(b[len(b)-len(h):])
	n.SetTotalLength(uint16(len(h) + size))
	n.SetFlagsFragmentOffset(n.Flags()&^header.IPv4FlagMoreFragments, 0)
	n.SetChecksum(0)
	n.SetChecksum(^n.CalculateChecksum())
	return b
}

// appendHeader6 leaves out extension headers.
func appendHeader6(b []byte, pkt *stack.PacketBuffer, size int) []byte {
	n := header.IPv6(pkt.NetworkHeader().Slice())
	tc, flow := n.TOS()
	b = append(b, make([]byte, header.IPv6MinimumSize)...)
	header.IPv6(b[len(b)-header.IPv6MinimumSize:]).Encode(&header.IPv6Fields{
		TrafficClass: tc, FlowLabel: flow, PayloadLength: uint16(size),
		TransportProtocol: pkt.TransportProtocolNumber, HopLimit: n.HopLimit(),
		SrcAddr: n.SourceAddress(), DstAddr: n.DestinationAddress(),
	})
	return b
}
