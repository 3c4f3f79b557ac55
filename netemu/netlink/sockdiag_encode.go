package netlink

import (
	"encoding/binary"
	"net/netip"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// sizeofInetDiagMsg is the size of struct inet_diag_msg in bytes.
const sizeofInetDiagMsg = 72

// Attributes of an answer (INET_DIAG_*).
const (
	diagMeminfo   = 1
	diagInfo      = 2
	diagCong      = 4
	diagTOS       = 5
	diagTClass    = 6
	diagSKMeminfo = 7
	diagShutdown  = 8
	diagProtocol  = 10
	diagSKV6Only  = 11
	diagClassID   = 17
	diagSockopt   = 22
)

// timerTimeWait is the idiag_timer of a connection in TIME-WAIT.
const timerTimeWait = 3

// number is idiag_sport: a port, or a raw socket's protocol.
func (s *Socket) number() uint16 {
	if s.Raw {
		return uint16(s.Protocol)
	}
	return s.Local.Port()
}

// told is idiag_state.
func (s *Socket) told() uint8 {
	if s.State == StateBoundInactive {
		return stateClose
	}
	return s.State
}

// encode makes the answer's data: struct inet_diag_msg and the attributes that
// were asked for, in Linux's order (inet_sk_diag_fill).
func (r *inetRequest) encode(s *Socket) []byte {
	b := make([]byte, sizeofInetDiagMsg, 512)
	b[0], b[1] = s.Family, s.told()
	if s.State == stateTimeWait {
		b[2] = timerTimeWait
	}
	binary.BigEndian.PutUint16(b[4:], s.number())
	binary.BigEndian.PutUint16(b[6:], s.Remote.Port())
	putAddress(b[8:24], s.Family, s.Local.Addr())
	putAddress(b[24:40], s.Family, s.Remote.Addr())
	ne := binary.NativeEndian
	ne.PutUint32(b[40:], s.Interface)
	ne.PutUint32(b[44:], uint32(s.Cookie))
	ne.PutUint32(b[48:], uint32(s.Cookie>>32))
	if s.State == stateTimeWait {
		return b
	}
	ne.PutUint32(b[56:], s.ReceiveQueue)
	ne.PutUint32(b[60:], s.SendQueue)
	ne.PutUint32(b[64:], s.UID)
	ne.PutUint32(b[68:], s.Inode)
	return append(b, encode(func(ae *nl.AttributeEncoder) { r.attributes(ae, s) })...)
}

// asked says whether the request wants attribute typ, one of the first eight.
func (r *inetRequest) asked(typ int) bool { return r.extensions>>(typ-1)&1 != 0 }

func (r *inetRequest) attributes(ae *nl.AttributeEncoder, s *Socket) {
	ae.Uint8(diagShutdown, s.Shutdown)
	if r.asked(diagTOS) {
		ae.Uint8(diagTOS, s.TOS)
	}
	if s.Family == unix.AF_INET6 {
		if r.asked(diagTClass) {
			ae.Uint8(diagTClass, s.TrafficClass)
		}
		if s.State == stateListen || s.told() == stateClose {
			ae.Uint8(diagSKV6Only, flag(s.V6Only))
		}
	}
	if r.asked(diagTClass) {
		ae.Uint32(diagClassID, s.Priority) // there is no net_cls cgroup
	}
	ae.Bytes(diagSockopt, binary.LittleEndian.AppendUint16(nil, s.Options))
	received, sent := s.memory()
	if r.asked(diagMeminfo) {
		ae.Bytes(diagMeminfo, words32(received, sent, 0, 0))
	}
	if r.asked(diagSKMeminfo) {
		ae.Bytes(diagSKMeminfo, words32(received, s.ReceiveBuffer, 0, s.SendBuffer, 0, sent, 0, 0, s.Drops))
	}
	if s.Raw {
		ae.Uint8(diagProtocol, s.Protocol)
	}
	if s.State == StateBoundInactive {
		return // told as a socket of no protocol
	}
	if r.asked(diagInfo) && s.TCPInfo != nil {
		ae.Bytes(diagInfo, s.TCPInfo)
	}
	if r.asked(diagCong) && s.Congestion != "" {
		ae.String(diagCong, s.Congestion)
	}
}

// memory is what the queues take, in bytes; a listener's hold connections.
func (s *Socket) memory() (received, sent uint32) {
	if s.State == stateListen {
		return 0, 0
	}
	return s.ReceiveQueue, s.SendQueue
}

// putAddress stores an address in network byte order; the wildcard is zeros.
func putAddress(b []byte, family uint8, a netip.Addr) {
	switch {
	case !a.IsValid():
	case family == unix.AF_INET:
		if v4 := a.Unmap(); v4.Is4() {
			copy(b, v4.AsSlice())
		}
	default:
		v6 := a.As16()
		copy(b, v6[:])
	}
}

func words32(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

func flag(on bool) uint8 {
	if on {
		return 1
	}
	return 0
}
