package netlink

import (
	"encoding/binary"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// exchange is what one datagram of a program brings about.
type exchange struct {
	server                 *Server
	protocol               int
	unknown                func(name string, number int)
	privileged             func() bool
	port                   uint32
	strict, extAck, capAck bool

	answers [][]byte
	size    int  // of all answers, in bytes
	overrun bool // answers beyond the limit were dropped
}

// run answers the messages in b, as netlink_rcv_skb does
// (net/netlink/af_netlink.c): a header whose length can't be ends the walk, so
// the zeroed one that iproute2 leaves behind its message is ignored; so are
// messages that are no requests, unless they want an ack.
func (x *exchange) run(b []byte) {
	for len(b) >= unix.NLMSG_HDRLEN && !x.overrun {
		length := binary.NativeEndian.Uint32(b)
		if length < unix.NLMSG_HDRLEN || uint64(length) > uint64(len(b)) {
			return
		}
		var m nl.Message
		if err := m.UnmarshalBinary(padded(b[:length])); err != nil {
			return
		}
		x.answer(m)
		b = b[min(align(int(length)), len(b)):]
	}
}

// answer handles one message: the answers of a dump end it, any other is
// acknowledged if it failed or asked to be.
func (x *exchange) answer(m nl.Message) {
	var failure *refusal
	if m.Header.Flags&unix.NLM_F_REQUEST != 0 && m.Header.Type >= unix.NLMSG_MIN_TYPE {
		var dumped bool
		if dumped, failure = x.dispatch(m); dumped {
			return
		}
	}
	if failure != nil || m.Header.Flags&unix.NLM_F_ACK != 0 {
		x.acknowledge(m, failure)
	}
}

// dispatch hands a request to the protocol it is of.
func (x *exchange) dispatch(m nl.Message) (dumped bool, failure *refusal) {
	if x.protocol == unix.NETLINK_SOCK_DIAG {
		return x.dispatchDiag(m)
	}
	return x.dispatchRoute(m)
}

// limit is how many bytes of answers one datagram may bring.
func (x *exchange) limit() int {
	if x.protocol == unix.NETLINK_SOCK_DIAG {
		return maxDiagAnswers
	}
	return maxAnswers
}

// put adds one datagram, or notes that the receive buffer has overrun.
func (x *exchange) put(b []byte) {
	if x.overrun || x.size+len(b) > x.limit() {
		x.overrun = true
		return
	}
	x.size += len(b)
	x.answers = append(x.answers, b)
}

// message makes an answer to request h. Its length tells the data as it is;
// the padding behind it is there but not counted.
func (x *exchange) message(h nl.Header, typ, flags uint16, data []byte) []byte {
	m := nl.Message{
		Header: nl.Header{
			Length: uint32(align(unix.NLMSG_HDRLEN + len(data))),
			Type:   nl.HeaderType(typ), Flags: nl.HeaderFlags(flags),
			Sequence: h.Sequence, PID: x.port,
		},
		Data: data,
	}
	b, err := m.MarshalBinary()
	if err != nil {
		panic("netlink: BUG: an aligned message does not marshal: " + err.Error())
	}
	binary.NativeEndian.PutUint32(b, uint32(unix.NLMSG_HDRLEN+len(data)))
	return b
}

// acknowledge answers with NLMSG_ERROR, as netlink_ack does: the errno (0 for
// success), the request's header, and for an error the whole request unless
// the program capped it (NETLINK_CAP_ACK).
func (x *exchange) acknowledge(m nl.Message, failure *refusal) {
	var flags uint16
	b := binary.NativeEndian.AppendUint32(nil, uint32(failure.Code()))
	header, err := nl.Message{Header: withLength(m.Header, unix.NLMSG_HDRLEN)}.MarshalBinary()
	if err != nil {
		panic("netlink: BUG: a header does not marshal: " + err.Error())
	}
	binary.NativeEndian.PutUint32(header, m.Header.Length)
	b = append(b, header...)
	if failure != nil && !x.capAck {
		b = append(b, m.Data...)
	} else {
		flags |= unix.NLM_F_CAPPED
	}
	if tlvs := x.explain(failure); tlvs != nil {
		b = append(padded(b), tlvs...)
		flags |= unix.NLM_F_ACK_TLVS
	}
	x.put(x.message(m.Header, unix.NLMSG_ERROR, flags, b))
}

// explain is the extended acknowledgement of a failure, if the program wants
// it (NETLINK_EXT_ACK) and there is one.
func (x *exchange) explain(failure *refusal) []byte {
	if failure == nil || !x.extAck || failure.Reason == "" {
		return nil
	}
	return encode(func(ae *nl.AttributeEncoder) {
		ae.String(unix.NLMSGERR_ATTR_MSG, failure.Reason)
	})
}

func withLength(h nl.Header, length uint32) nl.Header {
	h.Length = length
	return h
}
