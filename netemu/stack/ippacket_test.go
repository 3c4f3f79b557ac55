package stack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// ipPacket makes an IP packet around body.
func ipPacket(src, dst netip.Addr, proto tcpip.TransportProtocolNumber, ttl, tos uint8, body []byte) []byte {
	if src.Is4() {
		b := append(make([]byte, header.IPv4MinimumSize), body...)
		n := header.IPv4(b)
		n.Encode(&header.IPv4Fields{
			TOS: tos, TotalLength: uint16(len(b)), TTL: ttl, Protocol: uint8(proto),
			SrcAddr: fromAddr(src), DstAddr: fromAddr(dst),
		})
		n.SetChecksum(^n.CalculateChecksum())
		return b
	}
	b := append(make([]byte, header.IPv6MinimumSize), body...)
	header.IPv6(b).Encode(&header.IPv6Fields{
		TrafficClass: tos, PayloadLength: uint16(len(body)), TransportProtocol: proto, HopLimit: ttl,
		SrcAddr: fromAddr(src), DstAddr: fromAddr(dst),
	})
	return b
}
