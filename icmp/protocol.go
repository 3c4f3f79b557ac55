package icmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// The helper protocol. Supervisor and helper exchange messages over an AF_UNIX
// SOCK_SEQPACKET pair, one message a packet, big-endian:
//
//	hello     0x01 "nbi" version:2 errno4:2 errno6:2    both ways, first
//	requests  0x02 count:1 0:2 0:4            count records   to the helper
//	replies   0x03 count:1 0:2 overflows:4    count records   from the helper
//
//	request   token:8 id:2 seq:2 family:1 ttl:1 tos:1 flags:1
//	          dst:16 len:2 payload
//	reply     token:8 id:2 seq:2 family:1 kind:1 ttl:1 type:1 code:1 0:1
//	          errno:2 info:4 sent:8 received:8 dst:16 from:16 len:2 payload
//
// Either side treats the other as hostile: any message that is not exactly
// this ends the conversation.

// HelperFD is the descriptor that the helper finds its socket at: the first
// behind the standard ones.
const HelperFD = 3

const (
	helloMessage    = 1
	requestsMessage = 2
	repliesMessage  = 3

	protocolVersion = 1

	helloLen         = 10
	batchHeaderLen   = 8
	requestRecordLen = 34
	replyRecordLen   = 74

	// maxBatch is the most records in a message and packets in a sendmmsg(2)
	// or recvmmsg(2): at 64 the cost of the call itself is spread thin
	// enough, and a batch of small packets still fits a cache.
	maxBatch = 64

	// maxMessage holds one record with the largest payload (65527), rounded
	// up. The default net.core.wmem_max (212992) lets three of them wait.
	maxMessage = 66 << 10
)

const flagDF = 1

var errProtocol = errors.New("protocol error")

// hello opens the conversation in both directions. The helper says in it
// which of its raw sockets it could not open, and why; the supervisor's has
// zeros there.
type hello struct {
	errno4, errno6 unix.Errno
}

func appendHello(b []byte, h hello) []byte {
	b = append(b, helloMessage, 'n', 'b', 'i')
	b = binary.BigEndian.AppendUint16(b, protocolVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(h.errno4))
	return binary.BigEndian.AppendUint16(b, uint16(h.errno6))
}

func parseHello(b []byte) (hello, error) {
	if len(b) != helloLen || b[0] != helloMessage || string(b[1:4]) != "nbi" {
		return hello{}, fmt.Errorf("%w: no hello", errProtocol)
	}
	if v := binary.BigEndian.Uint16(b[4:]); v != protocolVersion {
		return hello{}, fmt.Errorf("%w: version %d, want %d (netbox and netbox-icmp must be of one build)",
			errProtocol, v, protocolVersion)
	}
	return hello{
		errno4: unix.Errno(binary.BigEndian.Uint16(b[6:])),
		errno6: unix.Errno(binary.BigEndian.Uint16(b[8:])),
	}, nil
}

// appendRequest adds the record of r, which must have passed validate.
func appendRequest(b []byte, r *Request) []byte {
	var flags uint8
	if r.DF {
		flags |= flagDF
	}
	b = binary.BigEndian.AppendUint64(b, r.Token)
	b = binary.BigEndian.AppendUint16(b, r.ID)
	b = binary.BigEndian.AppendUint16(b, r.Seq)
	b = append(b, byte(familyOf(r.Dst)), r.TTL, r.TOS, flags)
	b = appendAddr(b, r.Dst)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Payload)))
	return append(b, r.Payload...)
}

// parseRequests reads a requests message and appends its records to rs. The
// payloads alias b. Destinations are well-formed but not yet validated.
func parseRequests(b []byte, rs []Request) ([]Request, error) {
	count, _, b, err := parseBatchHeader(b, requestsMessage)
	if err != nil {
		return rs, err
	}
	for range count {
		if len(b) < requestRecordLen {
			return rs, fmt.Errorf("%w: short request", errProtocol)
		}
		if b[15]&^flagDF != 0 {
			return rs, fmt.Errorf("%w: unknown flags", errProtocol)
		}
		r := Request{
			Token: binary.BigEndian.Uint64(b),
			ID:    binary.BigEndian.Uint16(b[8:]),
			Seq:   binary.BigEndian.Uint16(b[10:]),
			TTL:   b[13],
			TOS:   b[14],
			DF:    b[15] != 0,
		}
		var ok bool
		if r.Dst, ok = parseAddr(family(b[12]), b[16:32]); !ok {
			return rs, fmt.Errorf("%w: bad address", errProtocol)
		}
		n := int(binary.BigEndian.Uint16(b[32:]))
		if b = b[requestRecordLen:]; n > len(b) || n > familyOf(r.Dst).maxPayload() {
			return rs, fmt.Errorf("%w: bad payload length", errProtocol)
		}
		r.Payload, b = b[:n:n], b[n:]
		rs = append(rs, r)
	}
	return rs, trailing(b)
}

// appendReply adds the record of r.
func appendReply(b []byte, r *Reply) []byte {
	b = binary.BigEndian.AppendUint64(b, r.Token)
	b = binary.BigEndian.AppendUint16(b, r.ID)
	b = binary.BigEndian.AppendUint16(b, r.Seq)
	b = append(b, byte(familyOf(r.Dst)), byte(r.Kind), r.TTL, r.Type, r.Code, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(r.Errno))
	b = binary.BigEndian.AppendUint32(b, r.Info)
	b = binary.BigEndian.AppendUint64(b, uint64(stamp(r.Sent)))
	b = binary.BigEndian.AppendUint64(b, uint64(stamp(r.Received)))
	b = appendAddr(b, r.Dst)
	b = appendAddr(b, r.From)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Payload)))
	return append(b, r.Payload...)
}

// parseReplies reads a replies message and appends its records to rs. The
// payloads alias b. overflows counts the packets that the helper's sockets
// have dropped since it started.
func parseReplies(b []byte, rs []Reply) (_ []Reply, overflows uint32, _ error) {
	count, overflows, b, err := parseBatchHeader(b, repliesMessage)
	if err != nil {
		return rs, 0, err
	}
	for range count {
		if len(b) < replyRecordLen {
			return rs, 0, fmt.Errorf("%w: short reply", errProtocol)
		}
		r, err := parseReplyRecord(b)
		if err != nil {
			return rs, 0, err
		}
		n := int(binary.BigEndian.Uint16(b[replyRecordLen-2:]))
		if b = b[replyRecordLen:]; n > len(b) {
			return rs, 0, fmt.Errorf("%w: bad payload length", errProtocol)
		}
		r.Payload, b = b[:n:n], b[n:]
		rs = append(rs, r)
	}
	return rs, overflows, trailing(b)
}

// parseReplyRecord reads the fixed part of a reply. A packet has a sender and
// no errno; a send failure has an errno and no sender.
func parseReplyRecord(b []byte) (Reply, error) {
	r := Reply{
		Token:    binary.BigEndian.Uint64(b),
		ID:       binary.BigEndian.Uint16(b[8:]),
		Seq:      binary.BigEndian.Uint16(b[10:]),
		Kind:     Kind(b[13]),
		TTL:      b[14],
		Type:     b[15],
		Code:     b[16],
		Errno:    unix.Errno(binary.BigEndian.Uint16(b[18:])),
		Info:     binary.BigEndian.Uint32(b[20:]),
		Sent:     unstamp(binary.BigEndian.Uint64(b[24:])),
		Received: unstamp(binary.BigEndian.Uint64(b[32:])),
	}
	f := family(b[12])
	var ok bool
	if r.Dst, ok = parseAddr(f, b[40:56]); !ok {
		return Reply{}, fmt.Errorf("%w: bad destination", errProtocol)
	}
	switch r.Kind {
	case EchoReply, Error:
		if r.From, ok = parseAddr(f, b[56:72]); !ok || r.Errno != 0 {
			return Reply{}, fmt.Errorf("%w: bad sender", errProtocol)
		}
	case SendFailure:
		if [16]byte(b[56:72]) != [16]byte{} || r.Errno == 0 {
			return Reply{}, fmt.Errorf("%w: bad send failure", errProtocol)
		}
	default:
		return Reply{}, fmt.Errorf("%w: unknown kind", errProtocol)
	}
	return r, nil
}

func parseBatchHeader(b []byte, typ byte) (count int, overflows uint32, rest []byte, err error) {
	if len(b) < batchHeaderLen || len(b) > maxMessage || b[0] != typ {
		return 0, 0, nil, fmt.Errorf("%w: unexpected message", errProtocol)
	}
	if b[1] == 0 || b[1] > maxBatch {
		return 0, 0, nil, fmt.Errorf("%w: bad count", errProtocol)
	}
	return int(b[1]), binary.BigEndian.Uint32(b[4:]), b[batchHeaderLen:], nil
}

func trailing(b []byte) error {
	if len(b) != 0 {
		return fmt.Errorf("%w: trailing bytes", errProtocol)
	}
	return nil
}

// appendAddr writes 16 bytes: IPv4 in its v4-mapped form, no address as
// zeros.
func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, make([]byte, 16)...)
	}
	a16 := a.As16()
	return append(b, a16[:]...)
}

func parseAddr(f family, b []byte) (netip.Addr, bool) {
	a := netip.AddrFrom16([16]byte(b))
	switch f {
	case inet:
		return a.Unmap(), a.Is4In6()
	case inet6:
		return a, !a.Is4In6()
	}
	return netip.Addr{}, false
}

// stamp is t in ns since 1970, 0 for the zero time.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func unstamp(ns uint64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(ns))
}
