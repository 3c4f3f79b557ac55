package stack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"netbox/netemu/link"
)

// A program that has reset a connection may connect again from the same port at
// once. Netstack handles an endpoint's segments later than it takes them, so the
// new SYN may come to the endpoint of the old connection, behind the RST; and what is
// left in the queue of an endpoint that closes goes to another endpoint or is
// answered with RST, never to the forwarder (gVisor,
// Endpoint.tryDeliverSegmentFromClosedEndpoint). So a far side holds a SYN back
// while there is an endpoint of its addresses, for a moment: the segments before it
// are handled then.

const (
	// reuseLook is how often a SYN that is held back is looked at again: an endpoint
	// handles its segments in microseconds.
	reuseLook = 100 * time.Microsecond
	// reuseLimit is when it is handed over in any case: the old connection lives,
	// and answers as RFC 5961 section 4 has it. A busy machine's time slices are
	// shorter.
	reuseLimit = 100 * time.Millisecond
	// maxHeldSYNs bounds the SYNs that are held back; more are not.
	maxHeldSYNs = 256
)

// reuseLink is a far side's link that holds SYNs back.
type reuseLink struct {
	link.Endpoint
	s *Stack
}

// Attach implements stack.LinkEndpoint.
func (l *reuseLink) Attach(d stack.NetworkDispatcher) {
	if d != nil {
		d = &reuseDispatcher{d, l.s}
	}
	l.Endpoint.Attach(d)
}

type reuseDispatcher struct {
	stack.NetworkDispatcher
	s *Stack
}

// DeliverNetworkPacket implements stack.NetworkDispatcher.
func (d *reuseDispatcher) DeliverNetworkPacket(p tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if id, yes := synOf(p, pkt); yes && d.s.connected(p, id) && d.hold(p, id, pkt) {
		return
	}
	d.NetworkDispatcher.DeliverNetworkPacket(p, pkt)
}

// connected says whether there is a connection of these addresses. Where there is
// none netstack finds the endpoint that listens on the port.
func (s *Stack) connected(p tcpip.NetworkProtocolNumber, id stack.TransportEndpointID) bool {
	ep, ok := s.net.FindTransportEndpoint(p, tcp.ProtocolNumber, id, tcpip.NICID(Ethernet)).(*tcp.Endpoint)
	return ok && ep.EndpointState() != tcp.StateListen
}

// hold delivers pkt when there is no such endpoint any more; false if it does not.
func (d *reuseDispatcher) hold(p tcpip.NetworkProtocolNumber, id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	s := d.s
	if s.heldSYNs.Add(1) > maxHeldSYNs || !s.addRequest() {
		s.heldSYNs.Add(-1)
		return false
	}
	s.reusedPorts.Add(1)
	pkt.IncRef()
	go func() {
		defer s.requests.Done()
		defer s.heldSYNs.Add(-1)
		defer pkt.DecRef()
		for end := time.Now().Add(reuseLimit); s.connected(p, id) && time.Now().Before(end); {
			time.Sleep(reuseLook)
		}
		d.NetworkDispatcher.DeliverNetworkPacket(p, pkt)
	}()
	return true
}

// synOf is whose connection a packet begins, as the endpoint here would know it;
// false if it is no SYN, or has extension headers, or is a fragment.
func synOf(p tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) (id stack.TransportEndpointID, yes bool) {
	at := tcpOf(p, pkt, &id)
	if at == 0 {
		return id, false
	}
	b, ok := pkt.Data().PullUp(at + header.TCPMinimumSize)
	if !ok {
		return id, false
	}
	const kind = header.TCPFlagSyn | header.TCPFlagAck | header.TCPFlagRst
	h := header.TCP(b[at:])
	id.LocalPort, id.RemotePort = h.DestinationPort(), h.SourcePort()
	return id, h.Flags()&kind == header.TCPFlagSyn
}

// tcpOf is where a packet's TCP header is, and fills in the addresses; 0: nowhere.
func tcpOf(p tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer, id *stack.TransportEndpointID) int {
	switch p {
	case header.IPv4ProtocolNumber:
		b, ok := pkt.Data().PullUp(header.IPv4MinimumSize)
		if !ok {
			return 0
		}
		ip := header.IPv4(b)
		if ip.TransportProtocol() != header.TCPProtocolNumber || ip.FragmentOffset() != 0 || ip.HeaderLength() < header.IPv4MinimumSize {
			return 0
		}
		id.LocalAddress, id.RemoteAddress = ip.DestinationAddress(), ip.SourceAddress()
		return int(ip.HeaderLength())
	case header.IPv6ProtocolNumber:
		b, ok := pkt.Data().PullUp(header.IPv6MinimumSize)
		if !ok || header.IPv6(b).NextHeader() != uint8(header.TCPProtocolNumber) {
			return 0
		}
		id.LocalAddress, id.RemoteAddress = header.IPv6(b).DestinationAddress(), header.IPv6(b).SourceAddress()
		return header.IPv6MinimumSize
	}
	return 0
}
