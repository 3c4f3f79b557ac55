package icmp

import (
	"encoding/binary"
	"net/netip"
)

// ICMP message types, RFC 792 and RFC 4443.
const (
	icmpv4EchoReply    = 0
	icmpv4Unreachable  = 3
	icmpv4EchoRequest  = 8
	icmpv4TimeExceeded = 11
	icmpv4ParamProblem = 12

	icmpv6Unreachable  = 1
	icmpv6TooBig       = 2
	icmpv6TimeExceeded = 3
	icmpv6ParamProblem = 4
	icmpv6EchoRequest  = 128
	icmpv6EchoReply    = 129
)

// icmpv4FragNeeded is the code of icmpv4Unreachable that carries the MTU of
// the next hop (RFC 1191 section 4).
const icmpv4FragNeeded = 4

// IP protocol numbers.
const (
	protoICMP     = 1
	protoFragment = 44
	protoICMPv6   = 58
)

// echoHeaderLen is the length of type, code, checksum, identifier and
// sequence number: the same in RFC 792 and RFC 4443 section 4.1.
const echoHeaderLen = 8

// Largest echo payloads. IPv4: 65535 less the smallest IP header and the echo
// header. IPv6: the payload length field less the echo header.
const (
	maxPayload4 = 65535 - 20 - echoHeaderLen
	maxPayload6 = 65535 - echoHeaderLen
)

// family is the part of the formats that differs between IPv4 and IPv6.
type family uint8

const (
	inet  family = 4
	inet6 family = 6
)

// familyOf is the family of a valid address; v4-mapped IPv6 counts as IPv6.
func familyOf(a netip.Addr) family {
	if a.Is4() {
		return inet
	}
	return inet6
}

func (f family) echoRequest() uint8 {
	if f == inet {
		return icmpv4EchoRequest
	}
	return icmpv6EchoRequest
}

func (f family) echoReply() uint8 {
	if f == inet {
		return icmpv4EchoReply
	}
	return icmpv6EchoReply
}

func (f family) maxPayload() int {
	if f == inet {
		return maxPayload4
	}
	return maxPayload6
}

// echo is an echo request or reply. data aliases the packet.
type echo struct {
	typ     uint8
	id, seq uint16
	data    []byte
}

// putEchoRequest writes the header of an echo request that is followed by
// data into h (echoHeaderLen bytes). The ICMPv6 checksum covers a
// pseudo-header with the source address and is left to the kernel, which
// always computes it (RFC 3542 section 3.1).
func putEchoRequest(h []byte, f family, id, seq uint16, data []byte) {
	_ = h[echoHeaderLen-1]
	h[0], h[1], h[2], h[3] = f.echoRequest(), 0, 0, 0
	binary.BigEndian.PutUint16(h[4:], id)
	binary.BigEndian.PutUint16(h[6:], seq)
	if f == inet {
		sum := addChecksum(addChecksum(0, h[:echoHeaderLen]), data)
		binary.BigEndian.PutUint16(h[2:], ^fold(sum))
	}
}

// parseEcho reads an echo request or reply from an ICMP message without its
// IP header. It does not look at the checksum.
func parseEcho(f family, b []byte) (echo, bool) {
	if len(b) < echoHeaderLen || b[1] != 0 {
		return echo{}, false
	}
	if b[0] != f.echoRequest() && b[0] != f.echoReply() {
		return echo{}, false
	}
	return echo{
		typ:  b[0],
		id:   binary.BigEndian.Uint16(b[4:]),
		seq:  binary.BigEndian.Uint16(b[6:]),
		data: b[echoHeaderLen:],
	}, true
}

// addChecksum adds b, as big-endian 16-bit words with a zero byte to pad, to
// the running one's complement sum (RFC 1071). Only the last part of a
// message may be of odd length.
func addChecksum(sum uint64, b []byte) uint64 {
	for len(b) >= 4 {
		sum += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}

// fold reduces the sum of 32-bit words to 16 bits with end-around carry.
func fold(sum uint64) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// checksumOK tells whether an ICMPv4 message sums up to all ones.
func checksumOK(b []byte) bool { return fold(addChecksum(0, b)) == 0xffff }
