package nat

import "sync/atomic"

// Stats counts since Start; the fields with Open are how many there are now.
type Stats struct {
	TCPOpen, TCPFlows uint64 // flows that were connected
	TCPFailed         uint64 // connect(2) failed, any errno
	TCPNoRoom         uint64 // SYNs dropped: maxTCPDials, maxTCPFlows or no descriptors
	UDPOpen, UDPFlows uint64
	UDPEvicted        uint64 // flows ended for a new one: maxUDPFlows
	UDPExpired        uint64 // flows ended for being idle
	UDPLeft           uint64 // flows ended since programs have left the port
	UDPDropped        uint64 // datagrams that a socket would not take
	UDPNoRoom         uint64 // those of them that were too many for all flows: maxAllQueued
	ICMPErrors        uint64 // of TCP and UDP, handed in
	EchoSent          uint64
	EchoReplies       uint64 // replies and ICMP errors handed in
	EchoEvicted       uint64 // requests forgotten before their time: maxEchoes
	EchoFailed        uint64 // requests that could not be sent
	Denied            uint64 // requests of any kind that the guard turned away
	BytesOut, BytesIn uint64 // payload of ended TCP flows, and of UDP
}

type counters struct {
	tcpFlows, tcpFailed, tcpNoRoom                        atomic.Uint64
	udpFlows, udpEvicted, udpExpired, udpLeft, udpDropped atomic.Uint64
	icmpErrors                                            atomic.Uint64
	echoSent, echoReplies, echoEvicted                    atomic.Uint64
	echoFailed, denied, bytesOut, bytesIn                 atomic.Uint64
}

// Stats reads the counters.
func (n *NAT) Stats() Stats {
	c := &n.count
	return Stats{
		TCPOpen: uint64(n.tcp.Open()), TCPFlows: c.tcpFlows.Load(),
		TCPFailed: c.tcpFailed.Load(), TCPNoRoom: c.tcpNoRoom.Load(),
		UDPOpen: uint64(n.udp.open()), UDPFlows: c.udpFlows.Load(),
		UDPEvicted: c.udpEvicted.Load(), UDPExpired: c.udpExpired.Load(), UDPLeft: c.udpLeft.Load(),
		UDPDropped: c.udpDropped.Load(), UDPNoRoom: n.queued.refused.Load(), ICMPErrors: c.icmpErrors.Load(),
		EchoSent: c.echoSent.Load(), EchoReplies: c.echoReplies.Load(),
		EchoEvicted: c.echoEvicted.Load(), EchoFailed: c.echoFailed.Load(),
		Denied:   c.denied.Load(),
		BytesOut: c.bytesOut.Load(), BytesIn: c.bytesIn.Load(),
	}
}
