package icmp

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Request is one echo request to send.
type Request struct {
	// Dst is a unicast address, IPv4 or IPv6 without zone. Multicast and
	// broadcast are refused with EACCES, the unspecified address, zones and
	// v4-mapped IPv6 with EINVAL.
	Dst netip.Addr
	// ID and Seq are the caller's and come back in the Reply. They are not
	// what travels on the wire.
	ID, Seq uint16
	// TTL is the time to live or hop limit; 0 asks for the system's default.
	TTL uint8
	// TOS is the type of service or traffic class byte.
	TOS uint8
	// DF forbids fragmentation on the way and here: what exceeds the MTU of
	// the interface is answered with EMSGSIZE.
	DF bool
	// Payload follows the echo header: at most 65507 bytes for IPv4, 65527
	// for IPv6. It is copied before Send returns.
	Payload []byte
	// Token comes back in every Reply to this request.
	Token uint64
}

// Kind says what a [Reply] is.
type Kind uint8

const (
	// EchoReply is an echo reply from Request.Dst.
	EchoReply Kind = iota + 1
	// Error is an ICMP error message that quotes the request.
	Error
	// SendFailure says that the kernel refused to send the request; Errno
	// tells why.
	SendFailure
)

// String is the kind's name, for logs.
func (k Kind) String() string {
	switch k {
	case EchoReply:
		return "echo reply"
	case Error:
		return "ICMP error"
	case SendFailure:
		return "send failure"
	}
	return "unknown kind"
}

// Reply is what became of a request. A request can have none (loss), one, or
// several (duplicates; an error and a reply).
type Reply struct {
	// Token, ID, Seq and Dst are the request's.
	Token   uint64
	ID, Seq uint16
	Dst     netip.Addr

	Kind Kind
	// From is the address that the packet came from: Dst for an EchoReply,
	// the offended router or host for an Error, invalid for a SendFailure.
	From netip.Addr
	// TTL is the time to live or hop limit that the packet arrived with; 0
	// where the ping socket rung cannot know it (errors).
	TTL uint8
	// Type and Code are the ICMP or ICMPv6 message's, as on the wire.
	Type, Code uint8
	// Info is the next hop's MTU of a fragmentation needed or packet too big
	// message, the pointer of a parameter problem, else 0.
	Info uint32
	// Payload is the echo data of an EchoReply, and of an Error as much of the
	// request's data as was quoted. The receiver may keep it.
	Payload []byte
	// Sent and Received are CLOCK_REALTIME. Received is the kernel's receive
	// stamp; Sent is taken around sendmmsg(2). Received is zero for a
	// SendFailure.
	Sent, Received time.Time
	// Errno is why the kernel would not send (ENETUNREACH, EMSGSIZE, …), or
	// ENOBUFS when too many requests are outstanding; only for SendFailure.
	Errno unix.Errno
}

// validate answers the errno for a request that is not to be sent at all.
// EACCES is what Linux gives a ping to a broadcast address without
// SO_BROADCAST, which no socket here ever sets; the kernel itself refuses
// those broadcast addresses that only the routing table knows.
func (r *Request) validate() unix.Errno {
	switch {
	case !r.Dst.IsValid(), r.Dst.IsUnspecified(), r.Dst.Is4In6(), r.Dst.Zone() != "":
		return unix.EINVAL
	case r.Dst.IsMulticast(), r.Dst == limitedBroadcast:
		return unix.EACCES
	case len(r.Payload) > familyOf(r.Dst).maxPayload():
		return unix.EMSGSIZE
	}
	return 0
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
