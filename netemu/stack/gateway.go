package stack

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"netbox/netemu/link"
)

// GatewayConfig describes the far side of the sandbox's link for nat.
type GatewayConfig struct {
	Link  link.Endpoint
	MTU   int            // in bytes; 0: the link's
	Addrs []netip.Prefix // the gateway's own addresses, the router's first in each family

	// TCP is called for each SYN to an address and port on which nothing of
	// this stack listens, on a goroutine of its own. Close waits for it to
	// return, having aborted the connections: what it waits for besides, a
	// host's connect say, its owner must end first.
	TCP func(*TCPRequest)

	// UDP is called for each datagram that belongs to no connection of this
	// stack, inline on the packet path: it must not block.
	UDP func(*UDPRequest)

	// Datagram takes the place of UDP: it is called for each datagram, in
	// the same way, and Gone when the sandbox says of a datagram that was
	// sent to dst that nobody has its port any more.
	Datagram func(ForwardedDatagram)
	Gone     func(src, dst netip.AddrPort)

	// Echo is called for each echo request to an address that is not the
	// gateway's own, inline on the packet path: it must not block. The
	// slices of an Echo are the callee's.
	Echo func(Echo)
}

var errNoLink = errors.New("no link")

// NewGateway makes a stack that takes every packet that the link brings. Echo
// requests to its own addresses it answers itself. It owns c.Link from then on,
// also when it fails.
func NewGateway(c GatewayConfig) (*Stack, error) {
	s, err := newFarSide(c.Link, c.MTU, c.Addrs)
	if err != nil {
		return nil, fmt.Errorf("gateway stack: %w", err)
	}
	if c.TCP != nil {
		s.handleTCP(c.TCP)
	}
	if c.UDP != nil {
		s.handleUDP(c.UDP)
	}
	if c.Echo != nil {
		s.handleEcho(c.Echo)
	}
	if c.Datagram != nil {
		if err := s.handleDatagrams(c.Datagram, c.Gone); err != nil {
			s.Close()
			return nil, fmt.Errorf("gateway stack: %w", err)
		}
	}
	return s, nil
}

// newFarSide makes a stack with one promiscuous, spoofing interface through
// which every address is reached. HandleLocal is off: with spoofing every
// address would pass for a local one.
func newFarSide(ep link.Endpoint, mtu int, addrs []netip.Prefix) (*Stack, error) {
	if ep == nil {
		return nil, errNoLink
	}
	s := newStack(false)
	s.link = ep
	err := s.setDefaults(serviceBuffer)
	if err == nil {
		err = s.skipTimeWait()
	}
	if err == nil {
		s.addrs = addrs
		_, err = s.addLink(&reuseLink{ep, s}, mtu, ethernetAddresses(addrs))
	}
	if err == nil {
		err = s.takeAll()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	all := Route{Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, Dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0), NIC: Ethernet}
	all6 := all
	all6.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	s.SetRoutes([]Route{all, all6})
	return s, nil
}

// skipTimeWait lets connections end without TIME-WAIT. A server takes a new SYN
// for a connection in that state (RFC 1122 section 4.2.2.13), netstack only
// for a listening endpoint, which a far side does not have: a program that
// comes again from the same port would get no answer for a minute. What the
// state is for, late segments, the link does not bring: it keeps their order.
func (s *Stack) skipTimeWait() error {
	none := tcpip.TCPTimeWaitTimeoutOption(0)
	if err := s.net.SetTransportProtocolOption(tcp.ProtocolNumber, &none); err != nil {
		return fmt.Errorf("tcp time-wait: %s", err)
	}
	return nil
}

// takeAll makes the interface accept every destination and send from every
// source.
func (s *Stack) takeAll() error {
	if err := s.net.SetPromiscuousMode(tcpip.NICID(Ethernet), true); err != nil {
		return fmt.Errorf("promiscuous mode: %s", err)
	}
	if err := s.net.SetSpoofing(tcpip.NICID(Ethernet), true); err != nil {
		return fmt.Errorf("spoofing: %s", err)
	}
	return nil
}

// owns says whether ip is one of the stack's own addresses.
func (s *Stack) owns(ip netip.Addr) bool {
	for _, p := range s.addrs {
		if p.Addr() == ip {
			return true
		}
	}
	return false
}

// router is the address that reports errors to ip's family: the first own one,
// or ip itself when there is none.
func (s *Stack) router(ip netip.Addr) netip.Addr {
	for _, p := range s.addrs {
		if p.Addr().Is4() == ip.Is4() {
			return p.Addr()
		}
	}
	return ip
}

// isUnicast says whether a packet to ip is for one host: groups and broadcasts
// are nobody's on a gateway.
func (s *Stack) isUnicast(ip netip.Addr) bool {
	return !ip.IsMulticast() && !ip.IsUnspecified() && !s.isBroadcast(ip)
}

// addrPort joins netstack's address and port.
func addrPort(a tcpip.Address, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(toAddr(a), port)
}

// icmpProtocol tells the ICMP protocol of an address's family.
func icmpProtocol(ip netip.Addr) tcpip.TransportProtocolNumber {
	if ip.Is4() {
		return header.ICMPv4ProtocolNumber
	}
	return header.ICMPv6ProtocolNumber
}
