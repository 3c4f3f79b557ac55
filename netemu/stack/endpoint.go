package stack

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// kind is what a socket's type and protocol make it.
type kind uint8

const (
	kindTCP kind = iota
	kindUDP
	kindRaw
)

// Endpoint is a socket of the sandbox host. It is safe for concurrent use and
// never blocks.
type Endpoint struct {
	s      *Stack
	ep     tcpip.Endpoint
	wq     *waiter.Queue
	kind   kind
	family Family
	proto  uint8 // IP protocol number

	// groups guards the memberships, of which there is none once the socket is
	// closed.
	groups  sync.Mutex
	members []member
	closed  bool

	// reading is held over a datagram's read: netstack races when one call
	// peeks at a packet that another one takes.
	reading sync.Mutex

	mu                  sync.Mutex
	peer                Addr          // UDP and raw: connected to; netstack does not tell all
	flags               [numBool]bool // options that only say what to report
	mtuDisc             int           // IP_MTU_DISCOVER
	firstPort, lastPort uint16        // IP_LOCAL_PORT_RANGE
	refused             unix.Errno    // what an ICMP error ended the handshake with
	set                 settings      // TCP: what was set, for Accept
	shut                Events        // what Shutdown makes poll tell of UDP and raw
	failure             unix.Errno    // what a failed TCP connection's error was told as
	synCount            int           // TCP_SYNCNT, 0 the default
	synTimer            *time.Timer   // ends a handshake after synCount
	gaveUp              bool          // synTimer did
	pending             unix.Errno    // SO_ERROR of UDP and raw
	errQueue            []QueuedError // IP_RECVERR
	echo                bool          // an ICMP echo socket's
	ident               uint16        // of its requests, 0: none yet
}

// NewTCP makes a TCP socket.
func (s *Stack) NewTCP(f Family) (*Endpoint, unix.Errno) {
	wq := new(waiter.Queue)
	ep, err := s.net.NewEndpoint(tcp.ProtocolNumber, f.netProto(), wq)
	if err != nil {
		return nil, errno(err)
	}
	return s.newEndpoint(ep, wq, kindTCP, f, uint8(tcp.ProtocolNumber)), 0
}

// NewUDP makes a UDP socket.
func (s *Stack) NewUDP(f Family) (*Endpoint, unix.Errno) {
	wq := new(waiter.Queue)
	ep, err := s.net.NewEndpoint(udp.ProtocolNumber, f.netProto(), wq)
	if err != nil {
		return nil, errno(err)
	}
	return s.newEndpoint(ep, wq, kindUDP, f, uint8(udp.ProtocolNumber)), 0
}

// NewRaw makes a raw socket for an IP protocol number, as raw(7) and ipv6(7):
// an Inet4 one receives the IP header too, IPPROTO_RAW implies HeaderIncluded.
func (s *Stack) NewRaw(f Family, proto uint8) (*Endpoint, unix.Errno) {
	wq := new(waiter.Queue)
	ep, err := raw.NewEndpoint(s.net, f.netProto(), tcpip.TransportProtocolNumber(proto), wq)
	if err != nil {
		return nil, errno(err)
	}
	ep.SocketOptions().SetHeaderIncluded(proto == unix.IPPROTO_RAW)
	return s.newEndpoint(ep, wq, kindRaw, f, proto), 0
}

// SetIdent makes a raw ICMP endpoint an echo socket's (icmp(7)), whose requests have
// this identifier, 0: none yet.
func (e *Endpoint) SetIdent(ident uint16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.echo, e.ident = true, ident
}

func (f Family) netProto() tcpip.NetworkProtocolNumber {
	if f == Inet6 {
		return ipv6.ProtocolNumber
	}
	return ipv4.ProtocolNumber
}

// newEndpoint wraps ep. Datagram endpoints are asked for all control messages:
// what a program wants to see of them is the emulation's business.
func (s *Stack) newEndpoint(ep tcpip.Endpoint, wq *waiter.Queue, k kind, f Family, proto uint8) *Endpoint {
	e := &Endpoint{s: s, ep: ep, wq: wq, kind: k, family: f, proto: proto, mtuDisc: unix.IP_PMTUDISC_WANT}
	e.flags[MulticastAll4], e.flags[MulticastAll6] = true, true
	if k != kindTCP {
		ops := ep.SocketOptions()
		ops.SetReceiveTTL(true)
		ops.SetReceiveTOS(true)
		ops.SetReceiveHopLimit(true)
		ops.SetReceiveTClass(true)
		ops.SetReceivePacketInfo(true)
		ops.SetIPv6ReceivePacketInfo(true)
		e.mark(e.mtuDisc)
	}
	s.mu.Lock()
	s.socks[ep] = e
	s.mu.Unlock()
	return e
}

// Bind is bind(2): EADDRINUSE, EADDRNOTAVAIL, or EINVAL when bound already.
func (e *Endpoint) Bind(a Addr) unix.Errno {
	fa := e.family.full(a)
	if e.kind == kindRaw {
		fa.Port = 0
		if local, en := e.Local(); en == 0 && local.Addr() == a.Addr() && !local.Addr().IsUnspecified() {
			return 0 // a raw socket may be bound again, raw_bind; netstack's only to the same
		}
	}
	if a.Addr().Is4In6() {
		if e.ep.SocketOptions().GetV6Only() {
			return unix.EINVAL
		}
		fa.Addr = fromAddr(a.Addr())
	}
	var err tcpip.Error
	if _, _, own := e.portRange(); own && fa.Port == 0 && e.kind != kindRaw {
		err = e.bindInRange(fa)
	} else {
		err = e.ep.Bind(fa)
	}
	if _, ok := err.(*tcpip.ErrNoPortAvailable); ok {
		return unix.EADDRINUSE // inet_csk_get_port; syserr says EAGAIN
	}
	if err == nil && e.kind != kindRaw {
		e.KeepVersion(a)
	}
	return errno(err)
}

// KeepVersion switches IPV6_V6ONLY on for a socket that is bound to an address of
// IPv6 itself (__inet6_bind).
func (e *Endpoint) KeepVersion(a Addr) {
	if ip := a.Addr(); ip.Is6() && !ip.Is4In6() && !ip.IsUnspecified() {
		e.ep.SocketOptions().SetV6Only(true)
	}
}

// Connect is connect(2). TCP: EINPROGRESS when the handshake was started.
// ENETUNREACH, EADDRNOTAVAIL, EACCES (broadcast without SO_BROADCAST).
func (e *Endpoint) Connect(a Addr) unix.Errno {
	group := e.kind == kindTCP && a.Addr().IsMulticast()
	if NeedsScope(a.Addr()) && !group {
		if en := e.connectScope(a); en != 0 {
			return en
		}
	}
	if en := e.checkDestination(a); en != 0 {
		return en
	}
	if e.kind == kindTCP && tcp.EndpointState(e.ep.State()) == tcp.StateListen {
		return unix.EISCONN
	}
	peer := e.loopbackIfAny(a)
	fa := e.family.full(peer)
	err := e.bindForConnect()
	if err == nil {
		err = e.ep.Connect(fa)
	}
	switch err.(type) {
	case *tcpip.ErrNoPortAvailable:
		return unix.EADDRNOTAVAIL // __inet_hash_connect; syserr says EAGAIN
	case *tcpip.ErrBadLocalAddress:
		if e.kind != kindTCP && a.Addr().IsLoopback() {
			return unix.ENETUNREACH
		}
	case *tcpip.ErrConnectStarted:
		e.limitSyns()
	case nil:
		e.mu.Lock()
		e.peer = peer
		e.mu.Unlock()
	}
	return e.told(e.routeErrno(a.Addr(), errno(err)))
}

// Disconnect is connect(2) with AF_UNSPEC. netstack can't do it for TCP and raw
// sockets: EOPNOTSUPP.
func (e *Endpoint) Disconnect() unix.Errno {
	if e.kind != kindUDP {
		return unix.EOPNOTSUPP
	}
	return errno(e.ep.Disconnect())
}

// maxBacklog is net.core.somaxconn.
const maxBacklog = 4096

// Listen is listen(2). As on Linux one connection more than backlog may wait
// (sk_acceptq_is_full), and a negative backlog is the largest one.
func (e *Endpoint) Listen(backlog int) unix.Errno {
	if backlog < 0 || backlog > maxBacklog {
		backlog = maxBacklog
	}
	return errno(e.ep.Listen(backlog + 1))
}

// Accept is a non-blocking accept(2): EAGAIN when no connection waits.
func (e *Endpoint) Accept() (*Endpoint, Addr, unix.Errno) {
	var peer tcpip.FullAddress
	ep, wq, err := e.ep.Accept(&peer)
	if err != nil {
		return nil, Addr{}, errno(err)
	}
	child := e.s.newEndpoint(ep, wq, kindTCP, e.family, e.proto)
	child.inherit(e)
	return child, e.family.addr(peer), 0
}

// Shutdown is shutdown(2): ENOTCONN on an unconnected socket, which all the same
// makes a datagram socket poll as shut (inet_shutdown).
func (e *Endpoint) Shutdown(read, write bool) unix.Errno {
	var how tcpip.ShutdownFlags
	e.mu.Lock()
	if read {
		how |= tcpip.ShutdownRead
		e.shut |= Events(waiter.ReadableEvents) | unix.POLLRDHUP
	}
	if write {
		how |= tcpip.ShutdownWrite
		e.shut |= shutWrite
	}
	e.mu.Unlock()
	return errno(e.ep.Shutdown(how))
}

// Close is an orderly close: FIN, or RST when data was not read or SO_LINGER
// says zero seconds. netstack goes on sending what was written.
func (e *Endpoint) Close() {
	e.forget()
	e.ep.Close()
}

// Abort closes at once; a connected TCP endpoint sends RST.
func (e *Endpoint) Abort() {
	e.forget()
	e.ep.Abort()
}

func (e *Endpoint) forget() {
	e.groups.Lock()
	e.closed = true
	e.leaveAll()
	e.groups.Unlock()
	e.stopTimer()
	e.s.mu.Lock()
	delete(e.s.socks, e.ep)
	e.s.mu.Unlock()
}
