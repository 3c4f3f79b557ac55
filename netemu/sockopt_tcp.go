package netemu

import (
	"bytes"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// tcpOptions are the rows of level SOL_TCP, see tcp(7).
var tcpOptions = map[int32]option{
	unix.TCP_NODELAY:       onStream(flag("TCP_NODELAY", stack.NoDelay)),
	unix.TCP_CORK:          onStream(flag("TCP_CORK", stack.Cork)),
	unix.TCP_QUICKACK:      onStream(flag("TCP_QUICKACK", stack.QuickAck)),
	unix.TCP_MAXSEG:        onStream(number("TCP_MAXSEG", stack.MaxSeg, 0, 65535)),
	unix.TCP_KEEPIDLE:      onStream(number("TCP_KEEPIDLE", stack.KeepIdle, 1, 32767)),
	unix.TCP_KEEPINTVL:     onStream(number("TCP_KEEPINTVL", stack.KeepInterval, 1, 32767)),
	unix.TCP_KEEPCNT:       onStream(number("TCP_KEEPCNT", stack.KeepCount, 1, 127)),
	unix.TCP_USER_TIMEOUT:  onStream(number("TCP_USER_TIMEOUT", stack.UserTimeout, 0, 1<<31-1)),
	unix.TCP_DEFER_ACCEPT:  onStream(number("TCP_DEFER_ACCEPT", stack.DeferAccept, -1<<31, 1<<31-1)),
	unix.TCP_SYNCNT:        onStream(number("TCP_SYNCNT", stack.SynCount, 1, 127)),
	unix.TCP_WINDOW_CLAMP:  onStream(number("TCP_WINDOW_CLAMP", stack.WindowClamp, 0, 1<<31-1)),
	unix.TCP_LINGER2:       onStream(remembered("TCP_LINGER2", "orphans time out as netstack has it", 60)),
	unix.TCP_NOTSENT_LOWAT: onStream(remembered("TCP_NOTSENT_LOWAT", "poll(2) looks at the surrogate's buffer", -1)),
	unix.TCP_CONGESTION:    onStream(option{name: "TCP_CONGESTION", set: setCongestion, get: getCongestion}),
	unix.TCP_INFO:          onStream(option{name: "TCP_INFO", get: getTCPInfo, partial: "what netstack does not count is 0"}),
}

// onStream limits a row to TCP sockets: others answer EOPNOTSUPP or
// ENOPROTOOPT, of which Linux's datagram sockets give the latter.
func onStream(o option) option {
	set, get := o.set, o.get
	if set != nil {
		o.set = func(s socket, value []byte) unix.Errno {
			if _, ok := s.(*stream); !ok {
				return unix.ENOPROTOOPT
			}
			return set(s, value)
		}
	}
	o.get = func(s socket, length int) ([]byte, unix.Errno) {
		if _, ok := s.(*stream); !ok {
			return nil, unix.ENOPROTOOPT
		}
		return get(s, length)
	}
	return o
}

// maxCongestionName is TCP_CA_NAME_MAX (<net/tcp.h>).
const maxCongestionName = 16

func setCongestion(s socket, value []byte) unix.Errno {
	if len(value) < 1 {
		return unix.EINVAL
	}
	name, _, _ := bytes.Cut(value[:min(len(value), maxCongestionName-1)], []byte{0})
	return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetCongestion(string(name)) })
}

func getCongestion(s socket, _ int) ([]byte, unix.Errno) {
	out := make([]byte, maxCongestionName)
	return out, withEndpoint(s, func(ep *stack.Endpoint) unix.Errno {
		copy(out, ep.Congestion())
		return 0
	})
}

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
