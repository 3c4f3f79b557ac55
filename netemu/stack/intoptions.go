package stack

import (
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// netstackInts are netstack's numbers of options, where Linux's value is its value.
var netstackInts = map[IntOption]tcpip.SockOptInt{
	TOS:              tcpip.IPv4TOSOption,
	TClass:           tcpip.IPv6TrafficClassOption,
	MulticastTTL:     tcpip.MulticastTTLOption,
	MTUDiscover:      tcpip.MTUDiscoverOption,
	MaxSeg:           tcpip.MaxSegOption,
	KeepCount:        tcpip.KeepaliveCountOption,
	SynCount:         tcpip.TCPSynCountOption,
	WindowClamp:      tcpip.TCPWindowClampOption,
	IPv6Checksum:     tcpip.IPv6Checksum,
	TTL:              tcpip.IPv4TTLOption,
	HopLimit:         tcpip.IPv6HopLimitOption,
	ReceiveQueueSize: tcpip.ReceiveQueueSizeOption,
}

// The largest values that Linux takes, include/net/tcp.h.
const (
	maxKeepSeconds = 32767
	maxKeepCount   = 127
	maxSynCount    = 127
)

// SetInt sets an option as setsockopt(2) does: EINVAL out of range, ENOPROTOOPT
// for an option of another protocol.
func (e *Endpoint) SetInt(o IntOption, v int) unix.Errno {
	en := e.checkInt(o, v)
	if en == 0 {
		en = e.setInt(o, v)
	}
	if en == 0 {
		e.rememberInt(o, v)
	}
	return en
}

// setInt sets an option that the endpoint has to a value in range.
func (e *Endpoint) setInt(o IntOption, v int) unix.Errno {
	ops := e.ep.SocketOptions()
	switch o {
	case SendBuffer:
		_, limit := ops.SendBufferLimits()
		ops.SetSendBufferSize(doubled(v, limit), true)
		return 0
	case ReceiveBuffer:
		_, limit := ops.ReceiveBufferLimits()
		ops.SetReceiveBufferSize(doubled(v, limit), true)
		return 0
	case BindToDevice:
		return errno(ops.SetBindToDevice(int32(v)))
	case KeepIdle, KeepInterval, UserTimeout, DeferAccept:
		return e.setDuration(o, v)
	case SendQueueSize, ReceiveQueueSize:
		return unix.ENOPROTOOPT
	case TTL:
		v = max(v, tcpip.UseDefaultIPv4TTL) // -1 is the default, netstack's 0
	case MulticastTTL:
		if v == -1 {
			v = 1
		}
	case SynCount:
		e.mu.Lock()
		e.synCount = v
		e.mu.Unlock()
	case MTUDiscover:
		e.mu.Lock()
		e.mtuDisc = v
		e.mu.Unlock()
		e.mark(v)
		v = netstackPMTU(v)
	}
	return errno(e.ep.SetSockOptInt(netstackInts[o], v))
}

// doubled is what socket(7) says of SO_SNDBUF and SO_RCVBUF: the kernel doubles
// the value, from a minimum to a maximum.
func doubled(v int, limit int64) int64 {
	return min(max(2*int64(v), tcpMinBuffer), limit)
}

// checkInt says whether the endpoint has the option and the value's range.
func (e *Endpoint) checkInt(o IntOption, v int) unix.Errno {
	lo, hi := -1<<31, 1<<31-1
	switch o {
	case MaxSeg, KeepIdle, KeepInterval, KeepCount, UserTimeout, DeferAccept, SynCount, WindowClamp:
		if e.kind != kindTCP {
			return unix.ENOPROTOOPT
		}
	case HopLimit, TClass, IPv6Checksum:
		if e.family != Inet6 {
			return unix.ENOPROTOOPT
		}
	}
	switch o {
	case KeepIdle, KeepInterval:
		lo, hi = 1, maxKeepSeconds
	case KeepCount:
		lo, hi = 1, maxKeepCount
	case SynCount:
		lo, hi = 1, maxSynCount
	case UserTimeout:
		lo = 0
	case MTUDiscover:
		lo, hi = unix.IP_PMTUDISC_DONT, unix.IP_PMTUDISC_OMIT
	case TTL:
		if v == 0 {
			return unix.EINVAL
		}
		lo, hi = -1, 255
	case HopLimit, TClass, MulticastTTL:
		lo, hi = -1, 255
	}
	if v < lo || v > hi {
		return unix.EINVAL
	}
	return 0
}

// setDuration sets an option that netstack knows as a duration.
func (e *Endpoint) setDuration(o IntOption, v int) unix.Errno {
	switch o {
	case KeepIdle:
		d := tcpip.KeepaliveIdleOption(time.Duration(v) * time.Second)
		return errno(e.ep.SetSockOpt(&d))
	case KeepInterval:
		d := tcpip.KeepaliveIntervalOption(time.Duration(v) * time.Second)
		return errno(e.ep.SetSockOpt(&d))
	case UserTimeout:
		d := tcpip.TCPUserTimeoutOption(time.Duration(v) * time.Millisecond)
		return errno(e.ep.SetSockOpt(&d))
	default:
		d := tcpip.TCPDeferAcceptOption(time.Duration(max(v, 0)) * time.Second)
		return errno(e.ep.SetSockOpt(&d))
	}
}

// GetInt reads an option as getsockopt(2) does.
func (e *Endpoint) GetInt(o IntOption) (int, unix.Errno) {
	if en := e.checkInt(o, 1); en != 0 {
		return 0, en
	}
	ops := e.ep.SocketOptions()
	switch o {
	case SendBuffer:
		return int(ops.GetSendBufferSize()), 0
	case ReceiveBuffer:
		return int(ops.GetReceiveBufferSize()), 0
	case BindToDevice:
		return int(ops.GetBindToDevice()), 0
	case KeepIdle, KeepInterval, UserTimeout, DeferAccept:
		return e.getDuration(o)
	case SendQueueSize:
		return 0, 0 // netstack does not tell
	case MTUDiscover:
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.mtuDisc, 0
	case MaxSeg:
		if tcp.EndpointState(e.ep.State()) == tcp.StateEstablished {
			return e.segmentSize(), 0
		}
	}
	v, err := e.ep.GetSockOptInt(netstackInts[o])
	if err != nil {
		return 0, errno(err)
	}
	if o == TTL && v == tcpip.UseDefaultIPv4TTL || o == HopLimit && v == tcpip.UseDefaultIPv6HopLimit {
		v = defaultTTL
	}
	return v, 0
}

// getDuration reads an option that netstack knows as a duration.
func (e *Endpoint) getDuration(o IntOption) (int, unix.Errno) {
	switch o {
	case KeepIdle:
		var d tcpip.KeepaliveIdleOption
		err := e.ep.GetSockOpt(&d)
		return int(time.Duration(d) / time.Second), errno(err)
	case KeepInterval:
		var d tcpip.KeepaliveIntervalOption
		err := e.ep.GetSockOpt(&d)
		return int(time.Duration(d) / time.Second), errno(err)
	case UserTimeout:
		var d tcpip.TCPUserTimeoutOption
		err := e.ep.GetSockOpt(&d)
		return int(time.Duration(d) / time.Millisecond), errno(err)
	default:
		var d tcpip.TCPDeferAcceptOption
		err := e.ep.GetSockOpt(&d)
		return int(time.Duration(d) / time.Second), errno(err)
	}
}

// segmentSize is the sender's maximum segment size of a connection: netstack
// keeps it to itself, but both ends of its connections have our MTUs. It is
// the MTU less the headers and less 12 bytes of timestamps (RFC 6691 leaves
// the options out of the MSS; Linux's tcpi_snd_mss takes them off).
func (e *Endpoint) segmentSize() int {
	peer, en := e.Remote()
	if en != 0 {
		return header.TCPDefaultMSS
	}
	mtu := e.s.MTUTowards(peer.Addr())
	headers := header.TCPMinimumSize + header.IPv6MinimumSize
	if peer.Addr().Unmap().Is4() {
		headers = header.TCPMinimumSize + header.IPv4MinimumSize
	}
	const timestamps = 12
	return max(min(mtu-headers, header.TCPMaximumMSS)-timestamps, header.TCPDefaultMSS)
}
