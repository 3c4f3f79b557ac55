package stack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// TCPInfo is what netstack knows of struct tcp_info.
type TCPInfo struct {
	State               uint8 // as TCPState
	CongestionState     uint8 // Linux TCP_CA_*
	RTT, RTTVar, RTO    time.Duration
	SendMSS, ReceiveMSS uint32 // bytes
	Cwnd, Ssthresh      uint32 // segments
	Retransmits         uint64 // segments sent again, in all
	SegmentsOut         uint64
	SegmentsIn          uint64
	ReorderSeen         bool
}

// TCPInfo is TCP_INFO.
func (e *Endpoint) TCPInfo() TCPInfo {
	info := TCPInfo{State: e.TCPState()}
	var o tcpip.TCPInfoOption
	if err := e.ep.GetSockOpt(&o); err != nil {
		return info
	}
	info.RTT, info.RTTVar, info.RTO = o.RTT, o.RTTVar, o.RTO
	info.Cwnd, info.Ssthresh = o.SndCwnd, o.SndSsthresh
	info.CongestionState = caState(o.CcState)
	info.ReorderSeen = o.ReorderSeen
	mss := uint32(e.segmentSize())
	info.SendMSS, info.ReceiveMSS = mss, mss
	if st, ok := e.ep.Stats().(*tcp.Stats); ok {
		info.Retransmits = st.SendErrors.Retransmits.Value()
		info.SegmentsOut = st.SegmentsSent.Value()
		info.SegmentsIn = st.SegmentsReceived.Value()
	}
	return info
}

// caState translates to enum tcp_ca_state, include/uapi/linux/tcp.h.
func caState(c tcpip.CongestionControlState) uint8 {
	switch c {
	case tcpip.RTORecovery:
		return 4 // TCP_CA_Loss
	case tcpip.FastRecovery, tcpip.SACKRecovery:
		return 3 // TCP_CA_Recovery
	case tcpip.Disorder:
		return 1 // TCP_CA_Disorder
	default:
		return 0 // TCP_CA_Open
	}
}

// tcpStates translates to Linux's states, include/net/tcp_states.h.
var tcpStates = map[tcp.EndpointState]uint8{
	tcp.StateEstablished: 1,
	tcp.StateSynSent:     stateSynSent,
	tcp.StateConnecting:  stateSynSent,
	tcp.StateSynRecv:     stateSynRecv,
	tcp.StateFinWait1:    4,
	tcp.StateFinWait2:    5,
	tcp.StateTimeWait:    6,
	tcp.StateCloseWait:   8,
	tcp.StateLastAck:     9,
	tcp.StateListen:      stateListen,
	tcp.StateClosing:     11,
}

// The states in which there is no connection; TCP_CLOSE is also that of a
// socket that was never connected.
const (
	stateSynSent = 2
	stateSynRecv = 3
	stateClose   = 7
	stateListen  = 10
)

// TCPState is Linux's TCP_* state number: TCP_ESTABLISHED is 1, TCP_CLOSE 7.
func (e *Endpoint) TCPState() uint8 {
	if e.kind == kindTCP {
		if s, ok := tcpStates[tcp.EndpointState(e.ep.State())]; ok {
			return s
		}
	}
	return stateClose
}
