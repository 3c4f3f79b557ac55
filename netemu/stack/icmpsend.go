package stack

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
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

// ICMPError is an ICMP or ICMPv6 error to send, but for what it quotes.
type ICMPError struct {
	From       netip.Addr // the offender: the router, or the destination itself
	Type, Code uint8
	// Info is the second word: for "fragmentation needed" and "packet too
	// big" the next hop's MTU, for "parameter problem" the pointer.
	Info uint32
	// TTL and TOS are those with which it reaches the sandbox; a TTL of 0 is
	// the default one.
	TTL, TOS uint8
}

// sendUnreachable reports quoted, a packet from src to dst. The destination
// itself reports a closed port, the router everything else.
func (s *Stack) sendUnreachable(src, dst netip.Addr, code Unreachable, quoted []byte) {
	if int(code) >= len(unreachableCodes) {
		code = UnreachableHost
	}
	e := ICMPError{From: dst, Type: uint8(header.ICMPv4DstUnreachable), Code: unreachableCodes[code].v4}
	if code != UnreachablePort {
		e.From = s.router(dst)
	}
	if !src.Is4() {
		e.Type, e.Code = uint8(header.ICMPv6DstUnreachable), unreachableCodes[code].v6
	}
	s.SendError(src, e, quoted)
}

// SendError sends an ICMP error to a host of the link, which quotes as much of a
// packet as may be.
func (s *Stack) SendError(to netip.Addr, e ICMPError, quoted []byte) {
	room := maxErrorPacket6 - header.IPv6MinimumSize - header.ICMPv6ErrorHeaderSize
	if to.Is4() {
		room = maxErrorPacket4 - header.IPv4MinimumSize - header.ICMPv4MinimumSize
	}
	quoted = quoted[:min(len(quoted), room)]
	msg := make([]byte, header.ICMPv4MinimumSize+len(quoted))
	msg[0], msg[1] = e.Type, e.Code
	if to.Is4() && header.ICMPv4Type(e.Type) == header.ICMPv4ParamProblem {
		msg[4] = byte(e.Info) // RFC 792: the pointer is one byte
	} else {
		binary.BigEndian.PutUint32(msg[4:], e.Info)
	}
	copy(msg[header.ICMPv4MinimumSize:], quoted)
	if e.TTL == 0 {
		e.TTL = defaultTTL
	}
	s.sendICMP(e.From, to, msg, e.TTL, e.TOS)
}

// sendICMP fills in msg's checksum and sends it. Failing to is like losing it on
// the way; the link counts its drops.
func (s *Stack) sendICMP(from, to netip.Addr, msg []byte, ttl, tos uint8) {
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
	_ = r.WritePacket(stack.NetworkHeaderParams{Protocol: proto, TTL: ttl, TOS: tos}, pkt)
}
