package stack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// icmpTap sees every ICMP message that this host receives, before netstack.
// It implements stack.RawTransportEndpoint; netstack calls it on the goroutine
// that delivers the packet.
type icmpTap struct{ s *Stack }

// tapICMP puts the tap in place.
func (s *Stack) tapICMP() error {
	t := &icmpTap{s}
	if err := s.net.RegisterRawTransportEndpoint(header.IPv4ProtocolNumber, header.ICMPv4ProtocolNumber, t); err != nil {
		return fmt.Errorf("tapping ICMP: %s", err)
	}
	if err := s.net.RegisterRawTransportEndpoint(header.IPv6ProtocolNumber, header.ICMPv6ProtocolNumber, t); err != nil {
		return fmt.Errorf("tapping ICMPv6: %s", err)
	}
	return nil
}

// quote is the packet that an ICMP error is about, as far as it is quoted.
type quote struct {
	proto    tcpip.TransportProtocolNumber
	src, dst netip.Addr
	body     []byte // after the IP header
}

// HandlePacket implements stack.RawTransportEndpoint.
func (t *icmpTap) HandlePacket(pkt *stack.PacketBuffer) {
	v4 := pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber
	h := pkt.TransportHeader().Slice()
	if len(h) == 0 || !isICMPError(v4, h[0]) {
		return
	}
	view := stack.PayloadSince(pkt.TransportHeader())
	defer view.Release()
	msg := view.AsSlice()
	if len(msg) < header.ICMPv4MinimumSize || !validICMP(v4, pkt, msg) {
		return
	}
	q, ok := parseQuote(v4, msg[header.ICMPv4MinimumSize:])
	if !ok {
		return
	}
	e, hard, known := readError(v4, pkt, msg)
	if !known {
		return
	}
	if e.Errno == unix.EMSGSIZE && q.proto != tcp.ProtocolNumber {
		t.s.paths.learn(q.dst, int(e.Info), time.Now())
	}
	t.s.deliverError(e, hard, q, pkt)
}

// readError is an ICMP error as the error queue tells it, and whether it ends a
// connection.
func readError(v4 bool, pkt *stack.PacketBuffer, msg []byte) (e QueuedError, hard, known bool) {
	e = QueuedError{
		Origin: unix.SO_EE_ORIGIN_ICMP,
		Type:   msg[0], Code: msg[1],
		Offender: Addr{AddrPort: netip.AddrPortFrom(toAddr(pkt.Network().SourceAddress()), 0)},
		Control:  Control{TTL: -1, TOS: -1, HopLimit: -1, TClass: -1, Timestamp: time.Now()},
	}
	if ip := pkt.NetworkHeader().Slice(); v4 {
		e.Control.TTL = int(header.IPv4(ip).TTL())
		tos, _ := header.IPv4(ip).TOS()
		e.Control.TOS = int(tos)
		hard, known = e.convert4(msg)
	} else {
		e.Origin = unix.SO_EE_ORIGIN_ICMP6
		e.Control.HopLimit = int(header.IPv6(ip).HopLimit())
		tc, _ := header.IPv6(ip).TOS()
		e.Control.TClass = int(tc)
		hard, known = e.convert6(msg)
	}
	return e, hard, known
}

// isICMPError tells errors from everything else, RFC 792 and RFC 4443.
func isICMPError(v4 bool, typ uint8) bool {
	if !v4 {
		return typ < 128
	}
	switch header.ICMPv4Type(typ) {
	case header.ICMPv4DstUnreachable, header.ICMPv4TimeExceeded, header.ICMPv4ParamProblem:
		return true
	}
	return false
}

func validICMP(v4 bool, pkt *stack.PacketBuffer, msg []byte) bool {
	if v4 {
		return checksum.Checksum(msg, 0) == 0xffff
	}
	n := pkt.Network()
	x := header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, n.SourceAddress(), n.DestinationAddress(), uint16(len(msg)))
	return checksum.Checksum(msg, x) == 0xffff
}

// parseQuote reads the quoted IP header. Later fragments have no ports.
func parseQuote(v4 bool, b []byte) (quote, bool) {
	if v4 {
		h := header.IPv4(b)
		if len(b) < header.IPv4MinimumSize || int(h.HeaderLength()) < header.IPv4MinimumSize ||
			int(h.HeaderLength()) > len(b) || h.FragmentOffset() != 0 {
			return quote{}, false
		}
		return quote{h.TransportProtocol(), toAddr(h.SourceAddress()), toAddr(h.DestinationAddress()), b[h.HeaderLength():]}, true
	}
	h := header.IPv6(b)
	if len(b) < header.IPv6MinimumSize {
		return quote{}, false
	}
	proto, body := h.NextHeader(), b[header.IPv6MinimumSize:]
	// The only extension header that this host sends: a big datagram's.
	if header.IPv6ExtensionHeaderIdentifier(proto) == header.IPv6FragmentExtHdrIdentifier {
		if len(body) < header.IPv6FragmentHeaderSize || header.IPv6Fragment(body).FragmentOffset() != 0 {
			return quote{}, false
		}
		proto, body = body[0], body[header.IPv6FragmentHeaderSize:]
	}
	return quote{tcpip.TransportProtocolNumber(proto), toAddr(h.SourceAddress()), toAddr(h.DestinationAddress()), body}, true
}

// deliverError finds the sockets whose packet is quoted.
func (s *Stack) deliverError(e QueuedError, hard bool, q quote, pkt *stack.PacketBuffer) {
	s.errorToRaw(e, hard, q)
	if len(q.body) < 8 || q.proto != udp.ProtocolNumber && q.proto != tcp.ProtocolNumber {
		return
	}
	id := stack.TransportEndpointID{
		LocalAddress: fromAddr(q.src), LocalPort: binary.BigEndian.Uint16(q.body),
		RemoteAddress: fromAddr(q.dst), RemotePort: binary.BigEndian.Uint16(q.body[2:]),
	}
	te := s.net.FindTransportEndpoint(pkt.NetworkProtocolNumber, q.proto, id, pkt.NICID)
	if te == nil {
		return
	}
	ep, _ := te.(tcpip.Endpoint)
	s.mu.Lock()
	sock := s.socks[ep]
	s.mu.Unlock()
	if q.proto == tcp.ProtocolNumber {
		if sock != nil {
			sock.refuse(e.Errno)
		}
		errorToTCP(te, e, pkt)
		return
	}
	if sock == nil {
		return
	}
	e.Dst = Addr{AddrPort: netip.AddrPortFrom(q.dst, id.RemotePort)}
	e.Payload = q.body[header.UDPMinimumSize:]
	sock.reportICMP(copied(e), hard)
}

// errorToRaw tells the raw sockets of the quoted protocol that could have sent
// the packet (raw_v4_match).
func (s *Stack) errorToRaw(e QueuedError, hard bool, q quote) {
	family := Inet6
	if q.dst.Is4() {
		family = Inet4
	}
	e.Dst = Addr{AddrPort: netip.AddrPortFrom(q.dst, 0)}
	e.Payload = q.body
	for _, sock := range s.rawSockets(family, q.proto) {
		if sock.couldHaveSent(q) {
			sock.reportICMP(copied(e), hard)
		}
	}
}

// rawSockets lists the raw sockets of a family and protocol.
func (s *Stack) rawSockets(f Family, proto tcpip.TransportProtocolNumber) []*Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	var socks []*Endpoint
	for _, e := range s.socks {
		if e.kind == kindRaw && e.family == f && tcpip.TransportProtocolNumber(e.proto) == proto {
			socks = append(socks, e)
		}
	}
	return socks
}

// couldHaveSent says whether a raw socket's addresses fit a quoted packet, and an
// echo socket's identifier.
func (e *Endpoint) couldHaveSent(q quote) bool {
	e.mu.Lock()
	echo, ident := e.echo, e.ident
	e.mu.Unlock()
	if echo && !isRequest(q, ident) {
		return false
	}
	if peer, en := e.Remote(); en == 0 && peer.Addr() != q.dst {
		return false
	}
	local, en := e.Local()
	return en == 0 && (local.Addr().IsUnspecified() || local.Addr() == q.src)
}

// isRequest says whether an echo request with this identifier is quoted.
func isRequest(q quote, ident uint16) bool {
	request := byte(header.ICMPv6EchoRequest)
	if q.dst.Is4() {
		request = byte(header.ICMPv4Echo)
	}
	return ident != 0 && len(q.body) >= header.ICMPv4MinimumSize && q.body[0] == request &&
		binary.BigEndian.Uint16(q.body[4:]) == ident
}

// copied gives an error a payload of its own.
func copied(e QueuedError) QueuedError {
	e.Payload = append([]byte(nil), e.Payload...)
	return e
}
