package stack

import (
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Addr is an address with an optional port and interface. An invalid
// Addr.Addr() is the wildcard of the endpoint's family.
type Addr struct {
	netip.AddrPort
	NIC int32 // interface index, 0 any
}

// Family is an address family.
type Family uint8

// The families.
const (
	Inet4 Family = iota
	Inet6
)

// Endpoint is a socket of the sandbox host. It is safe for concurrent use and
// never blocks.
type Endpoint struct{}

// Datagram says what Receive read.
type Datagram struct {
	N    int // bytes copied
	Size int // the datagram's length
	From Addr
	Control
}

// PktInfo is struct in_pktinfo or struct in6_pktinfo.
type PktInfo struct {
	NIC        int32
	Local, Dst netip.Addr
}

// Control is what a datagram's headers said. A field is -1 or nil where
// nothing is known.
type Control struct {
	TTL, TOS         int
	HopLimit, TClass int
	PktInfo          *PktInfo
	Timestamp        time.Time
}

// SendControl overrides an endpoint's options for one datagram. -1 and nil
// leave them.
type SendControl struct {
	TTL, HopLimit int
	PktInfo       *PktInfo
}

// QueuedError is one entry of the IP_RECVERR queue, struct sock_extended_err.
type QueuedError struct {
	Errno              unix.Errno
	Origin, Type, Code uint8
	Info               uint32
	Payload            []byte
	Dst, Offender      Addr
}

// TCPInfo is what netstack knows of struct tcp_info.
type TCPInfo struct {
	State               uint8 // Linux TCP_*
	RTT, RTTVar, RTO    time.Duration
	SendMSS, ReceiveMSS uint32
	Cwnd, Ssthresh      uint32 // segments
	Retransmits         uint64
	SegmentsOut         uint64
	SegmentsIn          uint64
}

// Events are poll(2) bits: unix.POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP.
type Events uint16

// BoolOption is a socket option that is on or off.
type BoolOption uint8

// IntOption is a socket option with a number.
type IntOption uint8

// The options that are on or off.
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
	HeaderIncluded
)

// The options with a number.
const (
	SendBuffer IntOption = iota
	ReceiveBuffer
	TTL
	HopLimit
	TOS
	TClass
	MulticastTTL
	MTUDiscover
	MaxSeg
	KeepIdle
	KeepInterval
	KeepCount
	UserTimeout
	DeferAccept
	SynCount
	WindowClamp
	BindToDevice
	IPv6Checksum
	SendQueueSize
	ReceiveQueueSize
)

// Bind is bind(2).
func (e *Endpoint) Bind(a Addr) unix.Errno { return unix.ENOSYS }

// Connect is connect(2); EINPROGRESS when a TCP handshake was started.
func (e *Endpoint) Connect(a Addr) unix.Errno { return unix.ENOSYS }

// Disconnect is connect(2) with AF_UNSPEC.
func (e *Endpoint) Disconnect() unix.Errno { return unix.ENOSYS }

// Listen is listen(2).
func (e *Endpoint) Listen(backlog int) unix.Errno { return unix.ENOSYS }

// Accept is a non-blocking accept(2).
func (e *Endpoint) Accept() (*Endpoint, Addr, unix.Errno) { return nil, Addr{}, unix.ENOSYS }

// Local is getsockname(2).
func (e *Endpoint) Local() (Addr, unix.Errno) { return Addr{}, unix.ENOSYS }

// Remote is getpeername(2).
func (e *Endpoint) Remote() (Addr, unix.Errno) { return Addr{}, unix.ENOSYS }

// Shutdown is shutdown(2).
func (e *Endpoint) Shutdown(read, write bool) unix.Errno { return unix.ENOSYS }

// Close is an orderly close (FIN).
func (e *Endpoint) Close() {}

// Abort closes with RST.
func (e *Endpoint) Abort() {}

// ReadStream writes received bytes to w until w stops.
func (e *Endpoint) ReadStream(w io.Writer) (int, unix.Errno) { return 0, unix.ENOSYS }

// WriteStream queues bytes to send.
func (e *Endpoint) WriteStream(p []byte) (int, unix.Errno) { return 0, unix.ENOSYS }

// Receive reads one datagram.
func (e *Endpoint) Receive(p []byte, peek bool) (Datagram, unix.Errno) {
	return Datagram{}, unix.ENOSYS
}

// Send sends one datagram.
func (e *Endpoint) Send(p []byte, to *Addr, c *SendControl) (int, unix.Errno) {
	return 0, unix.ENOSYS
}

// Readiness is poll(2) without waiting.
func (e *Endpoint) Readiness(mask Events) Events { return 0 }

// Notify calls f when one of the events may have come.
func (e *Endpoint) Notify(mask Events, f func()) (cancel func()) { return func() {} }

// TakeError is getsockopt(SO_ERROR).
func (e *Endpoint) TakeError() unix.Errno { return unix.ENOSYS }

// TakeQueuedError takes one entry of the IP_RECVERR queue.
func (e *Endpoint) TakeQueuedError() (QueuedError, bool) { return QueuedError{}, false }

// SetBool sets an option.
func (e *Endpoint) SetBool(o BoolOption, v bool) unix.Errno { return unix.ENOSYS }

// GetBool reads an option.
func (e *Endpoint) GetBool(o BoolOption) (bool, unix.Errno) { return false, unix.ENOSYS }

// SetInt sets an option.
func (e *Endpoint) SetInt(o IntOption, v int) unix.Errno { return unix.ENOSYS }

// GetInt reads an option.
func (e *Endpoint) GetInt(o IntOption) (int, unix.Errno) { return 0, unix.ENOSYS }

// SetLinger is SO_LINGER.
func (e *Endpoint) SetLinger(on bool, seconds int) {}

// GetLinger reads SO_LINGER.
func (e *Endpoint) GetLinger() (on bool, seconds int) { return false, 0 }

// Congestion is TCP_CONGESTION.
func (e *Endpoint) Congestion() string { return "" }

// SetCongestion sets TCP_CONGESTION.
func (e *Endpoint) SetCongestion(name string) unix.Errno { return unix.ENOSYS }

// TCPInfo is TCP_INFO.
func (e *Endpoint) TCPInfo() TCPInfo { return TCPInfo{} }

// TCPState is Linux's TCP_* state number.
func (e *Endpoint) TCPState() uint8 { return 0 }

// JoinGroup joins a multicast group on an interface.
func (e *Endpoint) JoinGroup(group netip.Addr, nic int32, local netip.Addr) unix.Errno {
	return unix.ENOSYS
}

// LeaveGroup leaves a multicast group.
func (e *Endpoint) LeaveGroup(group netip.Addr, nic int32, local netip.Addr) unix.Errno {
	return unix.ENOSYS
}

// SetMulticastInterface is IP_MULTICAST_IF.
func (e *Endpoint) SetMulticastInterface(nic int32, local netip.Addr) unix.Errno {
	return unix.ENOSYS
}
