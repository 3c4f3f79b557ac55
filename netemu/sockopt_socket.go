package netemu

import (
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// options are the socket options, by level and name: data, filled from one
// table a level.
var options = map[optionKey]option{}

// levels are the levels that have a table. Others are EOPNOTSUPP to read
// (do_ip_getsockopt) and ENOPROTOOPT to set.
var levels = map[int32]bool{}

func init() {
	for level, table := range map[int32]map[int32]option{
		unix.SOL_SOCKET: socketOptions, unix.SOL_TCP: tcpOptions, unix.SOL_IP: ipOptions,
		unix.SOL_IPV6: ipv6Options, unix.SOL_RAW: rawOptions, unix.SOL_ICMPV6: icmpv6Options,
		unix.SOL_UDP: udpOptions,
	} {
		levels[level] = true
		for name, row := range table {
			options[optionKey{level, name}] = row
		}
	}
}

// socketOptions are the rows of level SOL_SOCKET, see socket(7).
var socketOptions = map[int32]option{
	unix.SO_REUSEADDR:        flag("SO_REUSEADDR", stack.ReuseAddr),
	unix.SO_REUSEPORT:        flag("SO_REUSEPORT", stack.ReusePort),
	unix.SO_BROADCAST:        flag("SO_BROADCAST", stack.Broadcast),
	unix.SO_KEEPALIVE:        flag("SO_KEEPALIVE", stack.KeepAlive),
	unix.SO_TYPE:             fixed("SO_TYPE", func(s socket) int { return s.id().typ }),
	unix.SO_DOMAIN:           fixed("SO_DOMAIN", func(s socket) int { return s.id().family }),
	unix.SO_PROTOCOL:         fixed("SO_PROTOCOL", func(s socket) int { return s.id().protocol }),
	unix.SO_ACCEPTCONN:       fixed("SO_ACCEPTCONN", acceptsConnections),
	unix.SO_SNDBUF:           bufferSize("SO_SNDBUF", stack.SendBuffer, minSendBuffer),
	unix.SO_RCVBUF:           bufferSize("SO_RCVBUF", stack.ReceiveBuffer, minReceiveBuffer),
	unix.SO_SNDBUFFORCE:      bufferSize("SO_SNDBUF", stack.SendBuffer, minSendBuffer),
	unix.SO_RCVBUFFORCE:      bufferSize("SO_RCVBUF", stack.ReceiveBuffer, minReceiveBuffer),
	unix.SO_LINGER:           {name: "SO_LINGER", set: setLinger, get: getLinger, partial: "close(2) never waits; a zero time resets"},
	unix.SO_RCVTIMEO:         {name: "SO_RCVTIMEO", set: setReceiveTimeout, get: getTimeout("SO_RCVTIMEO"), native: true},
	unix.SO_SNDTIMEO:         {name: "SO_SNDTIMEO", set: setSendTimeout, get: getTimeout("SO_SNDTIMEO"), native: true},
	unix.SO_TIMESTAMP:        want("SO_TIMESTAMP", func(w *wanted) *bool { return &w.timestamp }),
	unix.SO_TIMESTAMPNS:      want("SO_TIMESTAMPNS", func(w *wanted) *bool { return &w.timestampNS }),
	unix.SO_BINDTODEVICE:     {name: "SO_BINDTODEVICE", set: setDevice, get: getDevice},
	unix.SO_BINDTOIFINDEX:    number("SO_BINDTOIFINDEX", stack.BindToDevice, 0, 1<<31-1),
	unix.SO_PRIORITY:         remembered("SO_PRIORITY", "no queueing discipline looks at it", 0),
	unix.SO_MARK:             remembered("SO_MARK", "no rule looks at it", 0),
	unix.SO_DONTROUTE:        rememberedFlag("SO_DONTROUTE", "all destinations are routed alike", 0),
	unix.SO_OOBINLINE:        rememberedFlag("SO_OOBINLINE", "there is no urgent data", 0),
	unix.SO_RCVLOWAT:         remembered("SO_RCVLOWAT", "poll(2) tells any byte", 1),
	unix.SO_SNDLOWAT:         {name: "SO_SNDLOWAT", get: func(socket, int) ([]byte, unix.Errno) { return abi.IntBytes(1), 0 }},
	unix.SO_NO_CHECK:         rememberedFlag("SO_NO_CHECK", "checksums are always sent", 0),
	unix.SO_SELECT_ERR_QUEUE: rememberedFlag("SO_SELECT_ERR_QUEUE", "", 0),
	unix.SO_BUSY_POLL:        remembered("SO_BUSY_POLL", "no device is polled", 0),
	unix.SO_RXQ_OVFL:         rememberedFlag("SO_RXQ_OVFL", "drops are not told", 0),
	unix.SO_INCOMING_CPU:     remembered("SO_INCOMING_CPU", "", -1),
	unix.SO_INCOMING_NAPI_ID: fixed("SO_INCOMING_NAPI_ID", func(socket) int { return 0 }),
}

// The least buffer sizes that can be asked for, in bytes as getsockopt(2) tells
// them: SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF (include/net/sock.h) on amd64.
const (
	minSendBuffer    = 4608
	minReceiveBuffer = 2304
	// maxBuffer is net.core.wmem_max and rmem_max, half of what is told: the
	// distributions' default.
	maxBuffer = 212992
)

// bufferSize is SO_SNDBUF and SO_RCVBUF: the kernel doubles what is asked for,
// and tells the double (socket(7)).
func bufferSize(name string, o stack.IntOption, least int32) option {
	return option{
		name: name,
		set: func(s socket, value []byte) unix.Errno {
			v, errno := abi.ParseInt(value)
			if errno != 0 {
				return errno
			}
			v = max(min(max(v, 0), maxBuffer)*2, least)
			s.memo().put(name, int64(v))
			if s.endpoint() == nil {
				return 0
			}
			return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno { return ep.SetInt(o, int(v)) })
		},
		get: func(s socket, _ int) ([]byte, unix.Errno) {
			v := maxBuffer
			if ep := s.endpoint(); ep != nil {
				var errno unix.Errno
				if v, errno = ep.GetInt(o); errno != 0 {
					return nil, errno
				}
			}
			return abi.IntBytes(int32(s.memo().get(name, int64(v)))), 0
		},
	}
}

func acceptsConnections(s socket) int {
	if st, ok := s.(*stream); ok {
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.state == listening {
			return 1
		}
	}
	return 0
}

func setLinger(s socket, value []byte) unix.Errno {
	l, errno := abi.ParseLinger(value)
	if errno != 0 {
		return errno
	}
	return withEndpoint(s, func(ep *stack.Endpoint) unix.Errno {
		ep.SetLinger(l.OnOff != 0, int(l.Seconds))
		return 0
	})
}

func getLinger(s socket, _ int) ([]byte, unix.Errno) {
	var l abi.Linger
	errno := withEndpoint(s, func(ep *stack.Endpoint) unix.Errno {
		on, seconds := ep.GetLinger()
		if on {
			l.OnOff = 1
		}
		l.Seconds = int32(seconds)
		return 0
	})
	return l.Bytes(), errno
}

func setReceiveTimeout(s socket, value []byte) unix.Errno {
	d, errno := timeout(value)
	if errno != 0 {
		return errno
	}
	s.memo().put("SO_RCVTIMEO", int64(max(d, 0)))
	if dg, ok := s.(*datagram); ok {
		dg.mu.Lock()
		dg.receiveTimeout = d
		dg.mu.Unlock()
	}
	return 0
}

func setSendTimeout(s socket, value []byte) unix.Errno {
	d, errno := timeout(value)
	if errno != 0 {
		return errno
	}
	s.memo().put("SO_SNDTIMEO", int64(max(d, 0)))
	if st, ok := s.(*stream); ok {
		st.mu.Lock()
		st.sendTimeout = d
		st.mu.Unlock()
	}
	return 0
}

func getTimeout(name string) func(socket, int) ([]byte, unix.Errno) {
	return func(s socket, _ int) ([]byte, unix.Errno) {
		return abi.TimevalOf(time.Duration(s.memo().get(name, 0))).Bytes(), 0
	}
}
