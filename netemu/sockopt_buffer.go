package netemu

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// The least buffer sizes that can be asked for, in bytes as getsockopt(2) tells
// them: SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF (include/net/sock.h) on amd64.
const (
	minSendBuffer    = 4608
	minReceiveBuffer = 2304
	// maxBuffer is net.core.wmem_max and rmem_max, half of what is told: the
	// default since Linux 6.17. Netstack's own maxima are near it: 4 MiB and
	// 6 MiB for streams, 8 MiB for the rest.
	maxBuffer = 4 << 20
	// defaultBuffer is net.core.wmem_default and rmem_default.
	defaultBuffer = 212992
)

// bufferSize is SO_SNDBUF and SO_RCVBUF: the kernel doubles what is asked for,
// and tells the double (socket(7)). What is below zero is very much
// (sk_setsockopt).
func bufferSize(name string, o stack.IntOption, least int32) option {
	return option{
		name: name, partial: "a stream's bytes wait in the surrogate's buffer too",
		setInt: func(s socket, v int32) unix.Errno {
			double := max(int32(min(uint32(v), maxBuffer))*2, least)
			s.memo().put(name, int64(double))
			if st, ok := s.(*stream); ok && st.isConnected() {
				st.boundRoom()
			}
			if s.endpoint() == nil {
				return 0
			}
			return setNumber(s, o, double/2)
		},
		getInt: func(s socket) (int32, unix.Errno) { return bufferOf(s, name, o) },
	}
}

// bufferOf is the size of a buffer, as it is told.
func bufferOf(s socket, name string, o stack.IntOption) (int32, unix.Errno) {
	v := int32(defaultBuffer)
	if s.endpoint() != nil {
		var errno unix.Errno
		if v, errno = getNumber(s, o); errno != 0 {
			return 0, errno
		}
	}
	return int32(s.memo().get(name, int64(v))), 0
}

// setLinger tells netstack of SO_LINGER. A negative time is a very long one
// (sk_setsockopt).
func setLinger(s socket, value []byte) unix.Errno {
	ep := s.endpoint()
	l, errno := abi.ParseLinger(value)
	if errno != 0 || ep == nil {
		return errno
	}
	if l.Seconds < 0 {
		l.Seconds = math.MaxInt32
	}
	ep.SetLinger(l.OnOff != 0, int(l.Seconds))
	return 0
}

// timeout decodes SO_RCVTIMEO or SO_SNDTIMEO, as sock_set_timeout
// (net/core/sock.c): zero is none, told by -1, and what is below is over at once.
func timeout(value []byte) (time.Duration, unix.Errno) {
	tv, errno := abi.ParseTimeval(value)
	if errno != 0 {
		return 0, errno
	}
	if tv == (abi.Timeval{}) {
		return -1, 0
	}
	d, errno := tv.Duration()
	return max(d, 0), errno
}

func setReceiveTimeout(s socket, value []byte) unix.Errno {
	d, errno := timeout(value)
	if errno != 0 {
		return errno
	}
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
	if st, ok := s.(*stream); ok {
		st.mu.Lock()
		st.sendTimeout = d
		st.mu.Unlock()
	}
	return 0
}
