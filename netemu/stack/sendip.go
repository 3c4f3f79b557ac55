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

// sendIP sends a datagram past netstack's endpoint, straight to its IP layer,
// for what the endpoint cannot do: an IPv4 source address other than the
// socket's (IP_PKTINFO with ipi_spec_dst), and a raw packet larger than the
// MTU, which the IP layer fragments. src is invalid for the usual one.
func (e *Endpoint) sendIP(src netip.Addr, p []byte, to *Addr, opts *tcpip.WriteOptions) (int, unix.Errno) {
	dst, en := e.sendTarget(to, opts)
	if en != 0 {
		return 0, en
	}
	ip := dst.Addr()
	if src.IsValid() && e.s.net.CheckLocalAddress(0, netProto(ip), fromAddr(src)) == 0 {
		return 0, unix.EINVAL // ip_route_output_key: no device has the source
	}
	if !src.IsValid() {
		src = e.source().Unmap()
	}
	nic := tcpip.NICID(e.ep.SocketOptions().GetBindToDevice())
	r, err := e.s.net.FindRoute(nic, fromAddr(src), fromAddr(ip), netProto(ip), e.ep.SocketOptions().GetMulticastLoop())
	if err != nil {
		return 0, e.routeErrno(ip, errno(err))
	}
	defer r.Release()
	body, en := e.body(p, dst.Port(), r)
	if en != 0 {
		return 0, en
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(r.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(body),
	})
	defer pkt.DecRef()
	proto := tcpip.TransportProtocolNumber(e.proto)
	pkt.TransportProtocolNumber = proto
	ttl, tos := e.ipFields(ip, &opts.ControlMessages)
	if err := r.WritePacket(stack.NetworkHeaderParams{Protocol: proto, TTL: ttl, TOS: tos}, pkt); err != nil {
		return 0, errno(err)
	}
	return len(p), 0
}

// sendTarget is where a datagram goes, v4-mapped addresses unmapped.
func (e *Endpoint) sendTarget(to *Addr, opts *tcpip.WriteOptions) (netip.AddrPort, unix.Errno) {
	if to == nil {
		peer, en := e.Remote()
		if en != 0 {
			return netip.AddrPort{}, unix.EDESTADDRREQ
		}
		return netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), 0
	}
	if e.kind == kindUDP && opts.To.Port == 0 {
		return netip.AddrPort{}, unix.EINVAL
	}
	return netip.AddrPortFrom(toAddr(opts.To.Addr).Unmap(), opts.To.Port), 0
}

// body is what follows the IP header: a UDP header and p, or p with the
// checksum that IPV6_CHECKSUM asks for (RFC 3542 section 3.1).
func (e *Endpoint) body(p []byte, port uint16, r *stack.Route) ([]byte, unix.Errno) {
	if e.kind == kindRaw {
		b := append([]byte(nil), p...)
		if off, en := e.GetInt(IPv6Checksum); en == 0 && off >= 0 {
			if off+checksum.Size > len(b) {
				return nil, unix.EINVAL
			}
			checksum.Put(b[off:], 0)
			x := r.PseudoHeaderChecksum(tcpip.TransportProtocolNumber(e.proto), uint16(len(b)))
			checksum.Put(b[off:], ^checksum.Checksum(b, x))
		}
		return b, 0
	}
	local, en := e.boundPort()
	if en != 0 {
		return nil, en
	}
	b := make([]byte, header.UDPMinimumSize+len(p))
	copy(b[header.UDPMinimumSize:], p)
	h := header.UDP(b)
	h.Encode(&header.UDPFields{SrcPort: local, DstPort: port, Length: uint16(len(b))})
	if r.RequiresTXTransportChecksum() {
		h.SetChecksum(^checksum.Checksum(b, r.PseudoHeaderChecksum(udp.ProtocolNumber, uint16(len(b)))))
	}
	return b, 0
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

// ipFields are the TTL and TOS of a packet to dst: the datagram's own, else the
// socket's.
func (e *Endpoint) ipFields(dst netip.Addr, cm *tcpip.SendableControlMessages) (ttl, tos uint8) {
	hops, class, own, has := TTL, TOS, cm.TTL, cm.HasTTL
	if dst.Is6() {
		hops, class, own, has = HopLimit, TClass, cm.HopLimit, cm.HasHopLimit
	}
	if dst.IsMulticast() {
		hops = MulticastTTL
	}
	t, _ := e.GetInt(class)
	if has {
		return own, uint8(t)
	}
	v, _ := e.GetInt(hops)
	return uint8(v), uint8(t)
}
