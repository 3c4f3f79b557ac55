package stack

import (
	"fmt"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// UDPRequest is the first datagram of a flow that reached the gateway. It is
// valid only during the handler's call, which is on the packet path and must
// not block; not answering it drops the datagram.
type UDPRequest struct {
	Src, Dst netip.AddrPort // the sandbox's end, and where it wants to go

	s   *Stack
	id  stack.TransportEndpointID
	pkt *stack.PacketBuffer
}

// handleUDP makes h the handler of datagrams that no endpoint takes.
func (s *Stack) handleUDP(h func(*UDPRequest)) {
	s.net.SetTransportProtocolHandler(udp.ProtocolNumber, func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		if s.isUnicast(toAddr(id.LocalAddress)) {
			h(&UDPRequest{
				Src: addrPort(id.RemoteAddress, id.RemotePort),
				Dst: addrPort(id.LocalAddress, id.LocalPort),
				s:   s, id: id, pkt: pkt,
			})
		}
		return true
	})
}

// Accept makes the flow's connection. It has the datagram to read, and each
// Read and Write is one datagram; the caller closes it when the flow is idle.
func (r *UDPRequest) Accept() (net.Conn, error) {
	wq := new(waiter.Queue)
	ep, err := udp.NewForwarderRequest(r.s.net, r.id, r.pkt).CreateEndpoint(wq)
	if err != nil {
		return nil, fmt.Errorf("accept udp %s from %s: %w", r.Dst, r.Src, errno(err))
	}
	return newConnUDP(ep, wq), nil
}

// Unreachable answers with an ICMP error that quotes the datagram.
func (r *UDPRequest) Unreachable(code Unreachable) {
	r.s.sendUnreachable(r.Src.Addr(), r.Dst.Addr(), code, quotePacket(r.pkt))
}
