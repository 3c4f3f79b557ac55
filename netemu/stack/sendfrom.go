package stack

import (
	"net/netip"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// sendFrom sends an IPv4 UDP datagram from another local address than the
// socket's, what IP_PKTINFO with ipi_spec_dst asks for. netstack knows that of
// IPv6 only, so the packet is made here. Raw sockets: EOPNOTSUPP.
func (e *Endpoint) sendFrom(src netip.Addr, p []byte, to *Addr, opts *tcpip.WriteOptions) (int, unix.Errno) {
	if e.kind != kindUDP {
		return 0, unix.EOPNOTSUPP
	}
	local, en := e.boundPort()
	if en != 0 {
		return 0, en
	}
	dst, en := e.sendTarget(to, opts)
	if en != 0 {
		return 0, en
	}
	if e.s.net.CheckLocalAddress(0, header.IPv4ProtocolNumber, fromAddr(src)) == 0 {
		return 0, unix.EINVAL // ip_route_output_key: no device has the source
	}
	r, err := e.s.net.FindRoute(0, fromAddr(src), fromAddr(dst.Addr()), header.IPv4ProtocolNumber, false)
	if err != nil {
		return 0, e.routeErrno(dst.Addr(), errno(err))
	}
	defer r.Release()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.UDPMinimumSize + int(r.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(p),
	})
	defer pkt.DecRef()
	h := header.UDP(pkt.TransportHeader().Push(header.UDPMinimumSize))
	h.Encode(&header.UDPFields{SrcPort: local, DstPort: dst.Port(), Length: uint16(header.UDPMinimumSize + len(p))})
	pkt.TransportProtocolNumber = udp.ProtocolNumber
	if r.RequiresTXTransportChecksum() {
		x := r.PseudoHeaderChecksum(udp.ProtocolNumber, uint16(header.UDPMinimumSize+len(p)))
		h.SetChecksum(^h.CalculateChecksum(checksum.Checksum(p, x)))
	}
	ttl := r.DefaultTTL()
	if opts.ControlMessages.HasTTL {
		ttl = opts.ControlMessages.TTL
	} else if v, err := e.ep.GetSockOptInt(tcpip.IPv4TTLOption); err == nil && v != tcpip.UseDefaultIPv4TTL {
		ttl = uint8(v)
	}
	tos, _ := e.ep.GetSockOptInt(tcpip.IPv4TOSOption)
	params := stack.NetworkHeaderParams{Protocol: udp.ProtocolNumber, TTL: ttl, TOS: uint8(tos)}
	if err := r.WritePacket(params, pkt); err != nil {
		return 0, errno(err)
	}
	return len(p), 0
}

// boundPort is the local port, bound now if it is not yet.
func (e *Endpoint) boundPort() (uint16, unix.Errno) {
	local, en := e.Local()
	if en == 0 && local.Port() == 0 {
		if en = e.Bind(Addr{}); en == 0 {
			local, en = e.Local()
		}
	}
	return local.Port(), en
}

// sendTarget is where a datagram goes.
func (e *Endpoint) sendTarget(to *Addr, opts *tcpip.WriteOptions) (netip.AddrPort, unix.Errno) {
	if to == nil {
		peer, en := e.Remote()
		if en != 0 {
			return netip.AddrPort{}, unix.EDESTADDRREQ
		}
		return netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), 0
	}
	if opts.To.Port == 0 {
		return netip.AddrPort{}, unix.EINVAL
	}
	return netip.AddrPortFrom(toAddr(opts.To.Addr).Unmap(), opts.To.Port), 0
}
