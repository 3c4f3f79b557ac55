package stack

import (
	"context"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/link"
)

// Interface indices, the numbers that ip link would show.
const (
	Loopback int32 = 1 // lo
	Ethernet int32 = 2 // eth0
)

// Stack is the IP stack of one host: the sandbox, a gateway or a simulated
// internet.
type Stack struct{}

// HostConfig describes the sandbox host.
type HostConfig struct {
	Link     link.Endpoint  // eth0 sits on it; nil: only lo
	MTU      int            // of eth0, in bytes; 0: the link's
	Addrs    []netip.Prefix // of eth0
	Gateways []netip.Addr   // default routes, at most one a family
}

// NewHost makes the sandbox's stack: lo always, eth0 when c.Link is set.
func NewHost(c HostConfig) (*Stack, error) { return nil, unix.ENOSYS }

// GatewayConfig describes the far side of the sandbox's link for nat.
type GatewayConfig struct {
	Link  link.Endpoint
	MTU   int            // 0: the link's
	Addrs []netip.Prefix // the gateway's own addresses
	TCP   func(*TCPRequest)
	UDP   func(*UDPRequest)
	Echo  func(Echo)
}

// NewGateway makes a stack that takes every packet that the link brings.
func NewGateway(c GatewayConfig) (*Stack, error) { return nil, unix.ENOSYS }

// SimConfig describes a simulated internet.
type SimConfig struct {
	Link  link.Endpoint
	MTU   int          // 0: the link's
	Addrs []netip.Addr // owned: echo is answered and services can listen
}

// NewSim makes a stack that owns c.Addrs and answers packets to any other
// address with ICMP unreachable.
func NewSim(c SimConfig) (*Stack, error) { return nil, unix.ENOSYS }

// Close ends everything and joins the stack's goroutines.
func (s *Stack) Close() {}

// InterfaceStats counts as struct rtnl_link_stats64 does.
type InterfaceStats struct {
	RxBytes, RxPackets, TxBytes, TxPackets   uint64
	RxErrors, TxErrors, RxDropped, TxDropped uint64
}

// Interface is one network interface as ip address would show it.
type Interface struct {
	Index        int32
	Name         string
	Loopback, Up bool
	MTU          int
	HardwareAddr [6]byte
	Addrs        []netip.Prefix
	Stats        InterfaceStats
}

// Route is one row of the main routing table as ip route would show it.
type Route struct {
	Dst     netip.Prefix
	Gateway netip.Addr // invalid: on link
	NIC     int32
	Src     netip.Addr // preferred source; invalid: none
}

// Stats are the stack's counters of what was dropped.
type Stats struct {
	TCPForwardDropped uint64 // SYNs ignored: too many requests in flight
	Dropped           uint64 // packets netstack dropped, all reasons
}

// Interfaces lists lo and, with a link, eth0.
func (s *Stack) Interfaces() []Interface { return nil }

// Routes lists the main routing table.
func (s *Stack) Routes() []Route { return nil }

// Stats reads the counters.
func (s *Stack) Stats() Stats { return Stats{} }

// NewTCP makes a TCP socket.
func (s *Stack) NewTCP(f Family) (*Endpoint, unix.Errno) { return nil, unix.ENOSYS }

// NewUDP makes a UDP socket.
func (s *Stack) NewUDP(f Family) (*Endpoint, unix.Errno) { return nil, unix.ENOSYS }

// NewRaw makes a raw socket for an IP protocol number.
func (s *Stack) NewRaw(f Family, proto uint8) (*Endpoint, unix.Errno) { return nil, unix.ENOSYS }

// ListenTCP listens on an address of this stack.
func (s *Stack) ListenTCP(a netip.AddrPort) (net.Listener, error) { return nil, unix.ENOSYS }

// ListenUDP binds a UDP socket on an address of this stack.
func (s *Stack) ListenUDP(a netip.AddrPort) (net.PacketConn, error) { return nil, unix.ENOSYS }

// DialTCP connects from local (zero: chosen) to remote.
func (s *Stack) DialTCP(ctx context.Context, local, remote netip.AddrPort) (Conn, error) {
	return nil, unix.ENOSYS
}

// DialUDP makes a connected UDP socket from local (zero: chosen) to remote.
func (s *Stack) DialUDP(local, remote netip.AddrPort) (net.Conn, error) { return nil, unix.ENOSYS }

// Conn is a TCP connection of this stack.
type Conn interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
	Abort() // RST
}

// Unreachable says why a flow cannot be served.
type Unreachable uint8

// The reasons, as ICMP and ICMPv6 destination unreachable codes.
const (
	UnreachableNet Unreachable = iota
	UnreachableHost
	UnreachablePort
	UnreachableProhibited
)

// TCPRequest is a SYN that reached the gateway.
type TCPRequest struct{ Src, Dst netip.AddrPort }

// Accept finishes the handshake.
func (r *TCPRequest) Accept() (Conn, error) { return nil, unix.ENOSYS }

// Refuse answers RST.
func (r *TCPRequest) Refuse() {}

// Unreachable answers with an ICMP error that quotes the SYN.
func (r *TCPRequest) Unreachable(code Unreachable) {}

// Drop answers nothing.
func (r *TCPRequest) Drop() {}

// UDPRequest is the first datagram of a flow that reached the gateway.
type UDPRequest struct{ Src, Dst netip.AddrPort }

// Accept makes the flow's connection.
func (r *UDPRequest) Accept() (net.Conn, error) { return nil, unix.ENOSYS }

// Unreachable answers with an ICMP error that quotes the datagram.
func (r *UDPRequest) Unreachable(code Unreachable) {}

// SendUnreachable reports to src, a UDP sender in the sandbox, that dst does
// not answer.
func (s *Stack) SendUnreachable(src, dst netip.AddrPort, code Unreachable) {}

// Echo is an echo request that reached the gateway.
type Echo struct {
	Src, Dst netip.Addr
	ID, Seq  uint16
	TTL, TOS uint8
	Payload  []byte
	Raw      []byte // the whole IP packet
}

// EchoReply sends the reply to e with this TTL.
func (s *Stack) EchoReply(e Echo, ttl uint8) {}

// EchoError sends an ICMP error from offender that quotes e.
func (s *Stack) EchoError(e Echo, offender netip.Addr, typ, code uint8, info uint32) {}
