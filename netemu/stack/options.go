package stack

import (
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// BoolOption is a socket option that is on or off.
type BoolOption uint8

// The options that are on or off. The Receive and Recv ones only remember what
// the program asked for: Receive always tells everything.
const (
	ReuseAddr BoolOption = iota
	ReusePort
	Broadcast
	KeepAlive
	NoDelay
	Cork
	QuickAck
	V6Only
	MulticastLoop
	ReceiveTTL
	ReceiveTOS
	ReceiveHopLimit
	ReceiveTClass
	ReceivePktInfo
	ReceivePktInfo6
	ReceiveOrigDst
	RecvErr4
	RecvErr6
	MulticastAll4
	MulticastAll6
	HeaderIncluded

	numBool
)

// IntOption is a socket option with a number.
type IntOption uint8

// The options with a number, in the units of their setsockopt.
const (
	SendBuffer    IntOption = iota // bytes; set doubles, as socket(7) says
	ReceiveBuffer                  // the same
	TTL                            // -1 sets the default
	HopLimit
	TOS
	TClass
	MulticastTTL
	MTUDiscover // IP_PMTUDISC_*
	MaxSeg
	KeepIdle     // seconds
	KeepInterval // seconds
	KeepCount
	UserTimeout // milliseconds
	DeferAccept // seconds
	SynCount
	WindowClamp
	BindToDevice     // interface index
	IPv6Checksum     // offset, -1 off
	SendQueueSize    // SIOCOUTQ, read only
	ReceiveQueueSize // FIONREAD, read only
)

// boolOption is how netstack sets and gets one option.
type boolOption struct {
	set func(*tcpip.SocketOptions, bool)
	get func(*tcpip.SocketOptions) bool
}

// netstackBools are the options that change what netstack does.
var netstackBools = map[BoolOption]boolOption{
	ReuseAddr:      {(*tcpip.SocketOptions).SetReuseAddress, (*tcpip.SocketOptions).GetReuseAddress},
	ReusePort:      {(*tcpip.SocketOptions).SetReusePort, (*tcpip.SocketOptions).GetReusePort},
	Broadcast:      {(*tcpip.SocketOptions).SetBroadcast, (*tcpip.SocketOptions).GetBroadcast},
	KeepAlive:      {(*tcpip.SocketOptions).SetKeepAlive, (*tcpip.SocketOptions).GetKeepAlive},
	Cork:           {(*tcpip.SocketOptions).SetCorkOption, (*tcpip.SocketOptions).GetCorkOption},
	QuickAck:       {(*tcpip.SocketOptions).SetQuickAck, (*tcpip.SocketOptions).GetQuickAck},
	V6Only:         {(*tcpip.SocketOptions).SetV6Only, (*tcpip.SocketOptions).GetV6Only},
	MulticastLoop:  {(*tcpip.SocketOptions).SetMulticastLoop, (*tcpip.SocketOptions).GetMulticastLoop},
	HeaderIncluded: {(*tcpip.SocketOptions).SetHeaderIncluded, (*tcpip.SocketOptions).GetHeaderIncluded},
	NoDelay: {
		func(o *tcpip.SocketOptions, v bool) { o.SetDelayOption(!v) },
		func(o *tcpip.SocketOptions) bool { return !o.GetDelayOption() },
	},
}

// SetBool sets an option. Options of another protocol than the endpoint's are
// ENOPROTOOPT; IPV6_V6ONLY of a bound endpoint is EINVAL.
func (e *Endpoint) SetBool(o BoolOption, v bool) unix.Errno {
	if en := e.checkBool(o); en != 0 {
		return en
	}
	if b, ok := netstackBools[o]; ok {
		if o == V6Only && e.isBound() {
			return unix.EINVAL
		}
		b.set(e.ep.SocketOptions(), v)
		if o == HeaderIncluded {
			e.mu.Lock()
			disc := e.mtuDisc
			e.mu.Unlock()
			e.mark(disc)
		}
		e.rememberBool(o, v)
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flags[o] = v
	if (o == RecvErr4 || o == RecvErr6) && !v {
		e.errQueue = nil // ip_setsockopt: skb_errqueue_purge
	}
	return 0
}

// GetBool reads an option.
func (e *Endpoint) GetBool(o BoolOption) (bool, unix.Errno) {
	if en := e.checkBool(o); en != 0 {
		return false, en
	}
	if b, ok := netstackBools[o]; ok {
		return b.get(e.ep.SocketOptions()), 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.flags[o], 0
}

// checkBool says whether the endpoint has the option.
func (e *Endpoint) checkBool(o BoolOption) unix.Errno {
	switch o {
	case NoDelay, Cork, QuickAck:
		if e.kind != kindTCP {
			return unix.ENOPROTOOPT
		}
	case V6Only, ReceiveHopLimit, ReceiveTClass, ReceivePktInfo6, RecvErr6:
		if e.family != Inet6 {
			return unix.ENOPROTOOPT
		}
	case HeaderIncluded:
		if e.kind != kindRaw {
			return unix.ENOPROTOOPT
		}
	}
	if o >= numBool {
		return unix.ENOPROTOOPT
	}
	return 0
}

// isBound says whether the endpoint has a local port.
func (e *Endpoint) isBound() bool {
	local, err := e.ep.GetLocalAddress()
	return err == nil && local.Port != 0 && e.kind != kindRaw
}

// SetLinger is SO_LINGER. With zero seconds Close sends RST; waiting for other
// values is the emulation's business, since Close never blocks.
func (e *Endpoint) SetLinger(on bool, seconds int) {
	e.ep.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: on, Timeout: time.Duration(seconds) * time.Second})
}

// GetLinger reads SO_LINGER.
func (e *Endpoint) GetLinger() (on bool, seconds int) {
	l := e.ep.SocketOptions().GetLinger()
	return l.Enabled, int(l.Timeout / time.Second)
}

// Congestion is TCP_CONGESTION.
func (e *Endpoint) Congestion() string {
	var cc tcpip.CongestionControlOption
	if err := e.ep.GetSockOpt(&cc); err != nil {
		return ""
	}
	return string(cc)
}

// SetCongestion sets TCP_CONGESTION: cubic or reno, else ENOENT.
func (e *Endpoint) SetCongestion(name string) unix.Errno {
	if e.kind != kindTCP {
		return unix.ENOPROTOOPT
	}
	cc := tcpip.CongestionControlOption(name)
	return errno(e.ep.SetSockOpt(&cc))
}
