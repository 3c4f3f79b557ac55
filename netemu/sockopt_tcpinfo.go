package netemu

import (
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
)

// getTCPInfo is TCP_INFO; the state is the socket's as the task sees it when
// the connection is over.
func getTCPInfo(s socket, length int) ([]byte, unix.Errno) {
	st := s.(*stream)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.state == over {
		return abi.TCPInfo{State: tcpClose}.Bytes(length), 0
	}
	i := st.ep.TCPInfo()
	micro := func(d time.Duration) uint32 { return uint32(d / time.Microsecond) }
	return abi.TCPInfo{
		State: i.State, RTO: micro(i.RTO), RTT: micro(i.RTT), RTTVar: micro(i.RTTVar),
		SndMSS: i.SendMSS, RcvMSS: i.ReceiveMSS, AdvMSS: i.ReceiveMSS,
		SndCwnd: i.Cwnd, SndSsthresh: i.Ssthresh, TotalRetrans: uint32(i.Retransmits),
		SegsOut: uint32(i.SegmentsOut), SegsIn: uint32(i.SegmentsIn),
	}.Bytes(length), 0
}

// tcpClose is TCP_CLOSE (<net/tcp_states.h>).
const tcpClose = 7
