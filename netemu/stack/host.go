package stack

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netbox/netemu/link"
)

// HostConfig describes the sandbox host.
type HostConfig struct {
	Link     link.Endpoint  // eth0 sits on it; nil: only lo
	MTU      int            // of eth0, in bytes; 0: the link's
	Addrs    []netip.Prefix // of eth0
	Gateways []netip.Addr   // default routes, at most one a family
	// Neighbours are who else is on eth0's network.
	Neighbours []netip.Addr
}

// hardwareAddr is eth0's hardware address: locally administered, with its IPv4
// address in the last bytes, so that hosts on one link have different ones.
func hardwareAddr(addrs []Address) [6]byte {
	for _, a := range addrs {
		if a.Addr().Is4() {
			ip := a.Addr().As4()
			return [6]byte{0x02, 0x00, ip[0], ip[1], ip[2], ip[3]}
		}
	}
	return [6]byte{0x02}
}

var errNoAddress = errors.New("no address of eth0 is on the gateway's network")

// NewHost makes the sandbox's stack: lo always, eth0 when c.Link is set. It
// owns c.Link from then on, also when it fails.
//
// Without a link no route leads elsewhere and connect says ENETUNREACH.
func NewHost(c HostConfig) (*Stack, error) {
	s := newStack(true)
	s.link = c.Link
	err := s.setDefaults(hostBuffer)
	if err == nil {
		err = s.addLoopback()
	}
	if err == nil && c.Link != nil {
		err = s.addEthernet(c)
	}
	if err == nil {
		err = s.tapICMP()
		s.net.SetTransportProtocolHandler(header.ICMPv4ProtocolNumber, s.answerEcho)
		s.net.SetTransportProtocolHandler(header.ICMPv6ProtocolNumber, s.rawReassembled6)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("host stack: %w", err)
	}
	return s, nil
}

// addLoopback makes lo. A /8 on a loopback NIC makes all of 127.0.0.0/8 local,
// as on Linux.
func (s *Stack) addLoopback() error {
	lo := Interface{
		Index: Loopback, Name: "lo", Loopback: true, Up: true, Flags: unix.IFF_LOOPBACK, TxQueueLen: txQueueLen,
		Addrs: []Address{
			permanent(netip.MustParsePrefix("127.0.0.1/8"), unix.RT_SCOPE_HOST, 0),
			permanent(netip.MustParsePrefix("::1/128"), unix.RT_SCOPE_HOST, protoKernelLo),
		},
	}
	lo.Addrs[0].Label = lo.Name
	s.loop = loopback.New()
	lo.MTU = int(s.loop.MTU())
	if err := s.addNIC(lo, s.loop); err != nil {
		return err
	}
	s.addInterfaceRoutes(lo)
	return nil
}

// addEthernet makes eth0 with its link routes and the default routes.
func (s *Stack) addEthernet(c HostConfig) error {
	eth, err := s.addLink(c.Link, c.MTU, withLinkLocal(ethernetAddresses(c.Addrs)))
	if err != nil {
		return err
	}
	s.neighbours = append(append(s.neighbours, c.Gateways...), c.Neighbours...)
	s.addInterfaceRoutes(eth)
	for _, gw := range c.Gateways {
		if !onLink(c.Addrs, gw) {
			return fmt.Errorf("gateway %s: %w", gw, errNoAddress)
		}
		r := Route{
			Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_BOOT, Type: unix.RTN_UNICAST,
			Dst: netip.PrefixFrom(wildcard(gw), 0), Gateway: gw, NIC: Ethernet,
		}
		if gw.Is6() {
			r.Metric = MetricUser
		}
		s.SetRoutes(append(s.Routes(), r))
	}
	return nil
}

// addInterfaceRoutes adds what an interface's addresses bring.
func (s *Stack) addInterfaceRoutes(i Interface) {
	routes := s.Routes()
	for _, a := range i.Addrs {
		routes = append(routes, AddressRoutes(i, a, a)...)
	}
	if !i.Loopback {
		routes = append(routes, MulticastRoute(i))
	}
	s.SetRoutes(routes)
}

// Facts of Linux's interfaces and addresses: DEFAULT_TX_QUEUE_LEN
// (include/net/pkt_sched.h), packets; IFAPROT_KERNEL_LO and IFAPROT_KERNEL_LL
// (<linux/if_addr.h>).
const (
	txQueueLen    = 1000
	protoKernelLo = 1
	protoKernelLL = 3
)

func permanent(p netip.Prefix, scope, protocol uint8) Address {
	return Address{Prefix: p, Scope: scope, Flags: unix.IFA_F_PERMANENT, Protocol: protocol, Valid: Forever, Preferred: Forever}
}

// ethernetAddresses are eth0's addresses as a start-up script would set them:
// `ip address add ADDR brd +`.
func ethernetAddresses(list []netip.Prefix) []Address {
	var all []Address
	for _, p := range list {
		a := permanent(p, unix.RT_SCOPE_UNIVERSE, 0)
		if p.Addr().Is4() {
			a.Label = ethernetName
			if p.Bits() < 31 {
				a.Broadcast = lastAddr(p)
			}
		}
		all = append(all, a)
	}
	return all
}

// withLinkLocal adds the address that the kernel makes of eth0's hardware
// address, if the host has IPv6 at all.
func withLinkLocal(list []Address) []Address {
	for _, a := range list {
		if a.Addr().Is6() {
			return append(list, permanent(netip.PrefixFrom(LinkLocal(hardwareAddr(list)), 64), unix.RT_SCOPE_LINK, protoKernelLL))
		}
	}
	return list
}

const ethernetName = "eth0"

// addLink makes eth0, the only interface on a link.
func (s *Stack) addLink(ep link.Endpoint, mtu int, addrs []Address) (Interface, error) {
	s.link = ep
	mac := hardwareAddr(addrs)
	ep.SetLinkAddress(tcpip.LinkAddress(mac[:]))
	if mtu == 0 {
		mtu = int(ep.MTU())
	}
	ep.SetMTU(s.netstackMTU(mtu))
	eth := Interface{
		Index: Ethernet, Name: ethernetName, Up: true, Flags: unix.IFF_BROADCAST | unix.IFF_MULTICAST, MTU: mtu,
		TxQueueLen: txQueueLen, Addrs: addrs,
	}
	return eth, s.addNIC(eth, ep)
}

// answerEcho answers echo requests that the host sends to eth0's own IPv4
// address. They travel over lo, where that address is a temporary one, and for
// temporary ones netstack leaves the answer to a handler.
func (s *Stack) answerEcho(_ stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	if !pkt.NetworkPacketInfo.LocalAddressTemporary || pkt.NetworkPacketInfo.LocalAddressBroadcast {
		return false
	}
	e, isEcho := parseEcho(pkt)
	if isEcho {
		s.EchoReply(e, defaultTTL)
	}
	return isEcho
}

// rawReassembled6 gives raw sockets the ICMPv6 echo messages that came in
// fragments: netstack shows raw sockets an IPv6 packet only when the first
// header after IPv6's is theirs.
func (s *Stack) rawReassembled6(_ stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	h := header.IPv6(pkt.NetworkHeader().Slice())
	if tcpip.TransportProtocolNumber(h.NextHeader()) == header.ICMPv6ProtocolNumber {
		return false
	}
	for _, e := range s.rawSockets(Inet6, header.ICMPv6ProtocolNumber) {
		if r, ok := e.ep.(stack.RawTransportEndpoint); ok {
			clone := pkt.Clone()
			r.HandlePacket(clone)
			clone.DecRef()
		}
	}
	return false
}

func onLink(addrs []netip.Prefix, ip netip.Addr) bool {
	for _, p := range addrs {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// wildcard is the unspecified address of a's family.
func wildcard(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
