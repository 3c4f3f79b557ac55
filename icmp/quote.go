package icmp

import (
	"encoding/binary"
	"net/netip"
)

// icmpError is an ICMP error message that quotes an echo request.
type icmpError struct {
	typ, code uint8
	// info is the MTU of the next hop (fragmentation needed, packet too
	// big), the pointer of a parameter problem, else 0.
	info uint32
	// dst, id, seq are the quoted request's; data is as much of its payload
	// as was quoted, and aliases the packet.
	dst     netip.Addr
	id, seq uint16
	data    []byte
}

// isError tells whether typ is an error that says a packet was not
// delivered. Redirect and source quench (obsolete, RFC 6633) are not.
func (f family) isError(typ uint8) bool {
	if f == inet {
		return typ == icmpv4Unreachable || typ == icmpv4TimeExceeded || typ == icmpv4ParamProblem
	}
	return typ >= icmpv6Unreachable && typ <= icmpv6ParamProblem
}

// parseError reads an ICMP error, without its own IP header, and the echo
// request that it quotes (RFC 792, RFC 1812 section 4.3.2.3, RFC 4443
// section 2.4, RFC 4884 section 4.1). It does not look at the checksum.
func parseError(f family, b []byte) (icmpError, bool) {
	if len(b) < echoHeaderLen || !f.isError(b[0]) {
		return icmpError{}, false
	}
	e := icmpError{typ: b[0], code: b[1], info: errorInfo(f, b)}
	request, dst, ok := quotedPacket(f, quotedPart(f, b))
	if !ok {
		return icmpError{}, false
	}
	inner, ok := parseEcho(f, request)
	if !ok || inner.typ != f.echoRequest() {
		return icmpError{}, false
	}
	e.dst, e.id, e.seq, e.data = dst, inner.id, inner.seq, inner.data
	return e, true
}

// errorInfo is the second word of the header, where it means something.
func errorInfo(f family, b []byte) uint32 {
	switch {
	case f == inet && b[0] == icmpv4Unreachable && b[1] == icmpv4FragNeeded:
		return uint32(binary.BigEndian.Uint16(b[6:]))
	case f == inet && b[0] == icmpv4ParamProblem:
		return uint32(b[4])
	case f == inet6 && (b[0] == icmpv6TooBig || b[0] == icmpv6ParamProblem):
		return binary.BigEndian.Uint32(b[4:])
	}
	return 0
}

// quotedPart is the original datagram field: what follows the header, less
// the extensions that RFC 4884 allows behind it. Its length field counts
// 32-bit words in ICMPv4 and 64-bit words in ICMPv6; 0 means that there are
// no extensions.
func quotedPart(f family, b []byte) []byte {
	n := 0
	switch {
	case f == inet:
		n = int(b[5]) * 4
	case b[0] == icmpv6Unreachable || b[0] == icmpv6TimeExceeded:
		n = int(b[4]) * 8
	}
	quoted := b[echoHeaderLen:]
	if n > 0 && n < len(quoted) {
		return quoted[:n]
	}
	return quoted
}

// quotedPacket takes the IP header off a quoted packet: its ICMP message,
// cut where the packet ended, and where it was going.
func quotedPacket(f family, b []byte) (message []byte, dst netip.Addr, ok bool) {
	if f == inet {
		h, ok := parseIPv4(b)
		return h.payload, h.dst, ok
	}
	return quotedIPv6(b)
}

// ipv4 is the part of an IPv4 header that matters here.
type ipv4 struct {
	ttl      uint8
	src, dst netip.Addr
	payload  []byte
}

// parseIPv4 reads an IPv4 header whose payload is the start of an ICMP
// message. b may end before the packet does.
func parseIPv4(b []byte) (ipv4, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return ipv4{}, false
	}
	ihl := int(b[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	fragmentOffset := binary.BigEndian.Uint16(b[6:]) & 0x1fff
	if ihl < 20 || ihl > len(b) || total < ihl || b[9] != protoICMP || fragmentOffset != 0 {
		return ipv4{}, false
	}
	return ipv4{
		ttl:     b[8],
		src:     netip.AddrFrom4([4]byte(b[12:16])),
		dst:     netip.AddrFrom4([4]byte(b[16:20])),
		payload: b[ihl:min(total, len(b))],
	}, true
}

// quotedIPv6 takes an IPv6 header, and the fragment header that a request
// larger than the MTU has, off a quoted packet. Other extension headers do
// not occur: we send none.
func quotedIPv6(b []byte) (message []byte, dst netip.Addr, ok bool) {
	const fixed, fragment = 40, 8
	if len(b) < fixed || b[0]>>4 != 6 {
		return nil, netip.Addr{}, false
	}
	dst = netip.AddrFrom16([16]byte(b[24:40]))
	end := min(fixed+int(binary.BigEndian.Uint16(b[4:])), len(b))
	next, rest := b[6], b[fixed:end]
	if next == protoFragment {
		if len(rest) < fragment || binary.BigEndian.Uint16(rest[2:])>>3 != 0 {
			return nil, netip.Addr{}, false
		}
		next, rest = rest[0], rest[fragment:]
	}
	return rest, dst, next == protoICMPv6 && !dst.Is4In6()
}
