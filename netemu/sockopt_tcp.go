package netemu

import (
	"bytes"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// tcpOptions are the rows of level SOL_TCP, see tcp(7).
var tcpOptions = map[int32]option{
	unix.TCP_NODELAY:      flag("TCP_NODELAY", stack.NoDelay),
	unix.TCP_CORK:         flag("TCP_CORK", stack.Cork),
	unix.TCP_QUICKACK:     flag("TCP_QUICKACK", stack.QuickAck),
	unix.TCP_MAXSEG:       {name: "TCP_MAXSEG", setInt: setMaxSeg, getInt: getMaxSeg, partial: "0 does not undo an earlier one"},
	unix.TCP_KEEPIDLE:     number("TCP_KEEPIDLE", stack.KeepIdle, 1, 32767),
	unix.TCP_KEEPINTVL:    number("TCP_KEEPINTVL", stack.KeepInterval, 1, 32767),
	unix.TCP_KEEPCNT:      number("TCP_KEEPCNT", stack.KeepCount, 1, 127),
	unix.TCP_USER_TIMEOUT: number("TCP_USER_TIMEOUT", stack.UserTimeout, 0, 1<<31-1),
	unix.TCP_SYNCNT:       number("TCP_SYNCNT", stack.SynCount, 1, 127),
	unix.TCP_DEFER_ACCEPT: {name: "TCP_DEFER_ACCEPT", setInt: setDeferAccept, getInt: recall("TCP_DEFER_ACCEPT", 0)},
	unix.TCP_WINDOW_CLAMP: {name: "TCP_WINDOW_CLAMP", setInt: setWindowClamp, getInt: recall("TCP_WINDOW_CLAMP", 0), partial: "netstack's least is 2048 bytes"},
	unix.TCP_CONGESTION:   atLeast(1, option{name: "TCP_CONGESTION", set: setCongestion, get: getCongestion, size: maxCongestionName - 1, unchecked: true, cloned: true, partial: "cubic and reno"}),
	unix.TCP_INFO:         {name: "TCP_INFO", get: getTCPInfo, partial: "what netstack does not count is 0"},
	unix.TCP_CC_INFO:      {name: "TCP_CC_INFO", get: empty},

	unix.TCP_LINGER2:              {name: "TCP_LINGER2", setInt: setLinger2, getInt: recall("TCP_LINGER2", finTimeout), partial: "orphans time out after 60 s"},
	unix.TCP_NOTSENT_LOWAT:        remembered("TCP_NOTSENT_LOWAT", "poll(2) looks at the surrogate's buffer", 0, -1<<31, 1<<31-1),
	unix.TCP_THIN_LINEAR_TIMEOUTS: remembered("TCP_THIN_LINEAR_TIMEOUTS", "streams are not told thin", 0, 0, 1),
	unix.TCP_THIN_DUPACK:          {name: "TCP_THIN_DUPACK", setInt: thinDupAck, getInt: recall("TCP_THIN_DUPACK", 0)},
	// Without an answer that a SYN was saved, a program takes it for a
	// connection made of a SYN cookie.
	unix.TCP_SAVE_SYN:  remembered("TCP_SAVE_SYN", "no SYN is saved", 0, 0, 2),
	unix.TCP_SAVED_SYN: {name: "TCP_SAVED_SYN", get: empty, partial: "no SYN is saved"},
	// Fast open is never used, as with a peer that gives no cookies: connect(2)
	// shakes hands, and a listener's SYNs carry no data.
	unix.TCP_FASTOPEN:           {name: "TCP_FASTOPEN", setInt: setFastOpen, getInt: getFastOpen, partial: "no peer asks for it"},
	unix.TCP_FASTOPEN_CONNECT:   {name: "TCP_FASTOPEN_CONNECT", setInt: setFastOpenConnect, getInt: recall("TCP_FASTOPEN_CONNECT", 0), partial: "connect(2) sends no data"},
	unix.TCP_FASTOPEN_NO_COOKIE: {name: "TCP_FASTOPEN_NO_COOKIE", setInt: setFastOpenNoCookie, getInt: recall("TCP_FASTOPEN_NO_COOKIE", 0), partial: "connect(2) sends no data"},
	// As from a kernel without the tls module, and without CAP_NET_ADMIN.
	unix.TCP_ULP:    atLeast(1, option{name: "TCP_ULP", set: noProtocol, get: empty, unchecked: true, partial: "no TLS in the kernel"}),
	unix.TCP_REPAIR: {name: "TCP_REPAIR", setInt: func(socket, int32) unix.Errno { return unix.EPERM }, getInt: recall("TCP_REPAIR", 0), partial: "connections cannot be moved"},
}

// finTimeout is net.ipv4.tcp_fin_timeout, maxFinTimeout TCP_FIN_TIMEOUT_MAX
// (include/net/tcp.h), in seconds.
const (
	finTimeout    = 60
	maxFinTimeout = 120
)

func setLinger2(s socket, v int32) unix.Errno {
	switch {
	case v < 0:
		v = -1
	case v == 0:
		v = finTimeout
	}
	s.memo().put("TCP_LINGER2", int64(min(v, maxFinTimeout)))
	return 0
}

// The segment sizes that can be asked for, TCP_MIN_MSS and MAX_TCP_WINDOW, and
// what is told of a socket without a connection, TCP_MSS_DEFAULT
// (include/net/tcp.h), in bytes.
const (
	leastMSS   = 88
	mostMSS    = 32767
	defaultMSS = 536
)

func setMaxSeg(s socket, v int32) unix.Errno {
	if v != 0 && (v < leastMSS || v > mostMSS) {
		return unix.EINVAL
	}
	s.memo().put("TCP_MAXSEG", int64(v))
	if v == 0 {
		return 0
	}
	return setNumber(s, stack.MaxSeg, v)
}

func getMaxSeg(s socket) (int32, unix.Errno) {
	if !stateIn(s, fresh, listening) {
		return getNumber(s, stack.MaxSeg)
	}
	if v := s.memo().get("TCP_MAXSEG", 0); v != 0 {
		return int32(v), 0
	}
	return defaultMSS, 0
}

// setDeferAccept is TCP_DEFER_ACCEPT, which the kernel keeps as a number of
// SYN-ACKs, each after twice the time of the one before: what is told back is
// their time (secs_to_retrans, retrans_to_secs).
func setDeferAccept(s socket, v int32) unix.Errno {
	const first, most, retries = 1, 120, 255 // TCP_TIMEOUT_INIT, TCP_RTO_MAX in seconds; a u8
	told := int32(0)
	if v > 0 {
		told = first
		for wait, n := int32(first), 1; v > told && n < retries; n++ {
			wait = min(2*wait, most)
			told += wait
		}
	}
	s.memo().put("TCP_DEFER_ACCEPT", int64(told))
	return setNumber(s, stack.DeferAccept, told)
}

// leastWindow is half of SOCK_MIN_RCVBUF, which tcp_set_window_clamp raises a
// smaller value to.
const leastWindow = minReceiveBuffer / 2

func setWindowClamp(s socket, v int32) unix.Errno {
	if v == 0 && !stateIn(s, fresh) {
		return unix.EINVAL
	}
	if v != 0 {
		v = max(v, leastWindow)
	}
	s.memo().put("TCP_WINDOW_CLAMP", int64(v))
	return setNumber(s, stack.WindowClamp, v)
}

// thinDupAck is TCP_THIN_DUPACK, which Linux only checks since 4.12.
func thinDupAck(_ socket, v int32) unix.Errno {
	if v < 0 || v > 1 {
		return unix.EINVAL
	}
	return 0
}

func setFastOpen(s socket, v int32) unix.Errno {
	if v < 0 || !stateIn(s, fresh, listening) {
		return unix.EINVAL
	}
	s.memo().put("TCP_FASTOPEN", int64(min(v, somaxconn)))
	return 0
}

// getFastOpen is the length of a listener's queue, which connections have not.
func getFastOpen(s socket) (int32, unix.Errno) {
	if !stateIn(s, fresh, listening) {
		return 0, 0
	}
	return recall("TCP_FASTOPEN", 0)(s)
}

func setFastOpenConnect(s socket, v int32) unix.Errno {
	if v < 0 || v > 1 || !stateIn(s, fresh) {
		return unix.EINVAL
	}
	s.memo().put("TCP_FASTOPEN_CONNECT", int64(v))
	return 0
}

func setFastOpenNoCookie(s socket, v int32) unix.Errno {
	if v < 0 || v > 1 || !stateIn(s, fresh, listening) {
		return unix.EINVAL
	}
	s.memo().put("TCP_FASTOPEN_NO_COOKIE", int64(v))
	return 0
}

// stateIn says whether a stream is in one of the states; a socket whose attempt
// to connect has failed is fresh.
func stateIn(s socket, states ...streamState) bool {
	st := s.(*stream)
	st.mu.Lock()
	defer st.mu.Unlock()
	state := st.state
	if state == over && st.failedConnect {
		state = fresh
	}
	for _, o := range states {
		if o == state {
			return true
		}
	}
	return false
}

func noProtocol(socket, []byte) unix.Errno { return unix.ENOENT }

// maxCongestionName is TCP_CA_NAME_MAX (<net/tcp.h>).
const maxCongestionName = 16

func setCongestion(s socket, value []byte) unix.Errno {
	name, _, _ := bytes.Cut(value, []byte{0})
	return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetCongestion(string(name)) })
}

func getCongestion(s socket, _ int) ([]byte, unix.Errno) {
	out := make([]byte, maxCongestionName)
	return out, withEndpoint(s, func(ep *stack.Endpoint) unix.Errno {
		copy(out, ep.Congestion())
		return 0
	})
}
