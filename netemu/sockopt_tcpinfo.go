package netemu

import (
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
)

// getTCPInfo is TCP_INFO; the state is the socket's as the task sees it when
// the connection is over.
func getTCPInfo(s socket, length int) ([]byte, unix.Errno) {
	mtu, _ := getMTU(s) // 0 without a connection
	st := s.(*stream)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.state == over {
		return abi.TCPInfo{State: tcpClose}.Bytes(length), 0
	}
	i := st.ep.TCPInfo()
	info := abi.TCPInfo{
		State: i.State, CAState: i.CongestionState,
		RTO: micro(i.RTO), RTT: micro(i.RTT), RTTVar: micro(i.RTTVar),
		SndMSS: i.SendMSS, RcvMSS: i.ReceiveMSS, AdvMSS: i.ReceiveMSS, PMTU: uint32(mtu),
		SndCwnd: i.Cwnd, SndSsthresh: min(i.Ssthresh, infiniteThreshold), Reordering: reordering,
		TotalRetrans: uint32(i.Retransmits), SegsOut: uint32(i.SegmentsOut), SegsIn: uint32(i.SegmentsIn),
	}
	if i.ReorderSeen {
		info.ReordSeen = 1
	}
	return info.Bytes(length), 0
}

func micro(d time.Duration) uint32 { return uint32(d / time.Microsecond) }

// infiniteThreshold is TCP_INFINITE_SSTHRESH (include/net/tcp.h), reordering
// net.ipv4.tcp_reordering, which netstack's recovery begins with too.
const (
	infiniteThreshold = 1<<31 - 1
	reordering        = 3
)

// tcpClose is TCP_CLOSE (<net/tcp_states.h>).
const tcpClose = 7
