package stack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// The most bytes of an ICMP error's IP packet: RFC 1812 section 4.3.2.3 and
// RFC 4443 section 2.4 (c).
const (
	maxErrorPacket4 = 576
	maxErrorPacket6 = header.IPv6MinimumMTU
)

// Unreachable says why a flow cannot be served.
type Unreachable uint8

// The reasons. To programs they are ENETUNREACH, EHOSTUNREACH, ECONNREFUSED,
// and EHOSTUNREACH (IPv4) or EACCES (IPv6).
const (
	UnreachableNet Unreachable = iota
	UnreachableHost
	UnreachablePort
	UnreachableProhibited
)

// unreachableCodes are the destination unreachable codes for IPv4 (RFC 792, RFC
// 1812) and IPv6 (RFC 4443).
var unreachableCodes = [...]struct{ v4, v6 uint8 }{
	UnreachableNet:        {0, 0},
	UnreachableHost:       {1, 3},
	UnreachablePort:       {3, 4},
	UnreachableProhibited: {13, 1},
}

// sendUnreachable reports quoted, a packet from src to dst. The destination
// itself reports a closed port, the router everything else.
func (s *Stack) sendUnreachable(src, dst netip.Addr, code Unreachable, quoted []byte) {
	if int(code) >= len(unreachableCodes) {
		code = UnreachableHost
	}
	offender := dst
	if code != UnreachablePort {
		offender = s.router(dst)
	}
	c := unreachableCodes[code]
	if src.Is4() {
		s.sendError(offender, src, uint8(header.ICMPv4DstUnreachable), c.v4, 0, quoted)
	} else {
		s.sendError(offender, src, uint8(header.ICMPv6DstUnreachable), c.v6, 0, quoted)
	}
}

// sendError sends an ICMP error that quotes as much of a packet as may be.
func (s *Stack) sendError(from, to netip.Addr, typ, code uint8, info uint32, quoted []byte) {
	room := maxErrorPacket6 - header.IPv6MinimumSize - header.ICMPv6ErrorHeaderSize
	if to.Is4() {
		room = maxErrorPacket4 - header.IPv4MinimumSize - header.ICMPv4MinimumSize
	}
	quoted = quoted[:min(len(quoted), room)]
	msg := make([]byte, header.ICMPv4MinimumSize+len(quoted))
	msg[0], msg[1] = typ, code
	if to.Is4() && header.ICMPv4Type(typ) == header.ICMPv4ParamProblem {
		msg[4] = byte(info) // RFC 792: the pointer is one byte
	} else {
		binary.BigEndian.PutUint32(msg[4:], info)
	}
	copy(msg[header.ICMPv4MinimumSize:], quoted)
	s.sendICMP(from, to, msg, defaultTTL)
}

// sendICMP fills in msg's checksum and sends it. Failing to is like losing it on
// the way; the link counts its drops.
func (s *Stack) sendICMP(from, to netip.Addr, msg []byte, ttl uint8) {
	if !from.IsValid() || from.Is4() != to.Is4() {
		return
	}
	r, err := s.net.FindRoute(0, fromAddr(from), fromAddr(to), netProto(to), false)
	if err != nil {
		return
	}
	defer r.Release()
	proto := icmpProtocol(to)
	msg[2], msg[3] = 0, 0
	var x uint16
	if !to.Is4() {
		x = r.PseudoHeaderChecksum(proto, uint16(len(msg)))
	}
	checksum.Put(msg[2:], ^checksum.Checksum(msg, x))
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(r.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(msg),
	})
	defer pkt.DecRef()
	pkt.TransportProtocolNumber = proto
	_ = r.WritePacket(stack.NetworkHeaderParams{Protocol: proto, TTL: ttl}, pkt)
}

// quotePacket copies an inbound packet, with the header of a whole one if it
// came in fragments.
func quotePacket(pkt *stack.PacketBuffer) []byte {
	view := stack.PayloadSince(pkt.TransportHeader())
	defer view.Release()
	body := view.AsSlice()
	h := pkt.NetworkHeader().Slice()
	if pkt.NetworkProtocolNumber == header.IPv6ProtocolNumber {
		n := header.IPv6(h)
		tc, _ := n.TOS()
		return ipPacket(toAddr(n.SourceAddress()), toAddr(n.DestinationAddress()), pkt.TransportProtocolNumber, n.HopLimit(), tc, body)
	}
	b := append(append(make([]byte, 0, len(h)+len(body)), h...), body...)
	n := header.IPv4(b)
	n.SetTotalLength(uint16(len(b)))
	n.SetFlagsFragmentOffset(n.Flags()&^header.IPv4FlagMoreFragments, 0)
	n.SetChecksum(0)
	n.SetChecksum(^n.CalculateChecksum())
	return b
}

// ipPacket makes an IP packet around body.
func ipPacket(src, dst netip.Addr, proto tcpip.TransportProtocolNumber, ttl, tos uint8, body []byte) []byte {
	if src.Is4() {
		b := append(make([]byte, header.IPv4MinimumSize), body...)
		n := header.IPv4(b)
		n.Encode(&header.IPv4Fields{
			TOS: tos, TotalLength: uint16(len(b)), TTL: ttl, Protocol: uint8(proto),
			SrcAddr: fromAddr(src), DstAddr: fromAddr(dst),
		})
		n.SetChecksum(^n.CalculateChecksum())
		return b
	}
	b := append(make([]byte, header.IPv6MinimumSize), body...)
	header.IPv6(b).Encode(&header.IPv6Fields{
		TrafficClass: tos, PayloadLength: uint16(len(body)), TransportProtocol: proto, HopLimit: ttl,
		SrcAddr: fromAddr(src), DstAddr: fromAddr(dst),
	})
	return b
}
