package stack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

// Counters are the stack's counts by Linux's names, as nstat(8) writes them:
// IpInReceives, TcpActiveOpens, TcpExtListenOverflows, Icmp6InEchos. What
// netstack does not count is missing. UDP is counted for both IP versions at
// once, under the names of IPv4.
func (s *Stack) Counters() map[string]uint64 {
	c := map[string]uint64{}
	add := func(name string, counters ...*tcpip.StatCounter) {
		for _, n := range counters {
			c[name] += n.Value()
		}
	}
	for _, info := range s.net.NICInfo() {
		for _, st := range info.NetworkStats {
			switch st := st.(type) {
			case *ipv4.Stats:
				countIP(add, "Ip", &st.IP)
			case *ipv6.Stats:
				countIP(add, "Ip6", &st.IP)
			}
		}
	}
	n := s.net.Stats()
	countICMP4(add, n.ICMP.V4)
	countICMP6(add, n.ICMP.V6)
	countTCP(add, n.TCP)
	add("UdpInDatagrams", n.UDP.PacketsReceived)
	add("UdpNoPorts", n.UDP.UnknownPortErrors)
	add("UdpInErrors", n.UDP.MalformedPacketsReceived, n.UDP.ChecksumErrors, n.UDP.ReceiveBufferErrors)
	add("UdpOutDatagrams", n.UDP.PacketsSent)
	add("UdpRcvbufErrors", n.UDP.ReceiveBufferErrors)
	add("UdpInCsumErrors", n.UDP.ChecksumErrors)
	return c
}

type counting func(name string, counters ...*tcpip.StatCounter)

func countIP(add counting, version string, ip *tcpip.IPStats) {
	add(version+"InReceives", ip.PacketsReceived)
	add(version+"InHdrErrors", ip.MalformedPacketsReceived)
	add(version+"InAddrErrors", ip.InvalidDestinationAddressesReceived, ip.InvalidSourceAddressesReceived)
	add(version+"InDelivers", ip.PacketsDelivered)
	add(version+"OutRequests", ip.PacketsSent)
	add(version+"OutTransmits", ip.PacketsSent)
	add(version+"OutDiscards", ip.OutgoingPacketErrors)
	add(version+"ReasmFails", ip.MalformedFragmentsReceived)
}

// countICMP4 sums each direction up: netstack has no count of all messages.
func countICMP4(add counting, icmp tcpip.ICMPv4Stats) {
	for direction, st := range map[string]tcpip.ICMPv4PacketStats{
		"In": icmp.PacketsReceived.ICMPv4PacketStats, "Out": icmp.PacketsSent.ICMPv4PacketStats,
	} {
		for name, n := range map[string]*tcpip.StatCounter{
			"Echos": st.EchoRequest, "EchoReps": st.EchoReply, "DestUnreachs": st.DstUnreachable,
			"SrcQuenchs": st.SrcQuench, "Redirects": st.Redirect, "TimeExcds": st.TimeExceeded,
			"ParmProbs": st.ParamProblem, "Timestamps": st.Timestamp, "TimestampReps": st.TimestampReply,
		} {
			add("Icmp"+direction+name, n)
			add("Icmp"+direction+"Msgs", n)
		}
	}
	add("IcmpInErrors", icmp.PacketsReceived.Invalid)
	add("IcmpOutErrors", icmp.PacketsSent.Dropped)
	add("IcmpOutRateLimitGlobal", icmp.PacketsSent.RateLimited)
}

func countICMP6(add counting, icmp tcpip.ICMPv6Stats) {
	for direction, st := range map[string]tcpip.ICMPv6PacketStats{
		"In": icmp.PacketsReceived.ICMPv6PacketStats, "Out": icmp.PacketsSent.ICMPv6PacketStats,
	} {
		for name, n := range map[string]*tcpip.StatCounter{
			"Echos": st.EchoRequest, "EchoReplies": st.EchoReply, "DestUnreachs": st.DstUnreachable,
			"PktTooBigs": st.PacketTooBig, "TimeExcds": st.TimeExceeded, "ParmProblems": st.ParamProblem,
			"RouterSolicits": st.RouterSolicit, "RouterAdvertisements": st.RouterAdvert,
			"NeighborSolicits": st.NeighborSolicit, "NeighborAdvertisements": st.NeighborAdvert,
			"Redirects": st.RedirectMsg, "GroupMembQueries": st.MulticastListenerQuery,
			"GroupMembResponses": st.MulticastListenerReport, "GroupMembReductions": st.MulticastListenerDone,
		} {
			add("Icmp6"+direction+name, n)
			add("Icmp6"+direction+"Msgs", n)
		}
	}
	add("Icmp6InErrors", icmp.PacketsReceived.Invalid)
	add("Icmp6OutErrors", icmp.PacketsSent.Dropped)
}

func countTCP(add counting, tcp tcpip.TCPStats) {
	for name, n := range map[string]*tcpip.StatCounter{
		"TcpActiveOpens": tcp.ActiveConnectionOpenings, "TcpPassiveOpens": tcp.PassiveConnectionOpenings,
		"TcpAttemptFails": tcp.FailedConnectionAttempts, "TcpEstabResets": tcp.EstablishedResets,
		"TcpCurrEstab": tcp.CurrentEstablished, "TcpInSegs": tcp.ValidSegmentsReceived,
		"TcpOutSegs": tcp.SegmentsSent, "TcpRetransSegs": tcp.Retransmits,
		"TcpInErrs": tcp.InvalidSegmentsReceived, "TcpOutRsts": tcp.ResetsSent,
		"TcpInCsumErrors":           tcp.ChecksumErrors,
		"TcpExtListenOverflows":     tcp.ListenOverflowSynDrop,
		"TcpExtSyncookiesSent":      tcp.ListenOverflowSynCookieSent,
		"TcpExtSyncookiesRecv":      tcp.ListenOverflowSynCookieRcvd,
		"TcpExtSyncookiesFailed":    tcp.ListenOverflowInvalidSynCookieRcvd,
		"TcpExtTCPTimeouts":         tcp.Timeouts,
		"TcpExtTCPFastRetrans":      tcp.FastRetransmit,
		"TcpExtTCPSlowStartRetrans": tcp.SlowStartRetransmits,
		"TcpExtTCPSackRecovery":     tcp.SACKRecovery,
		"TcpExtTCPRenoRecovery":     tcp.FastRecovery,
		"TcpExtTCPLossProbes":       tcp.TLPRecovery,
		"TcpExtTCPSpuriousRTOs":     tcp.SpuriousRTORecovery,
		"TcpExtTCPAbortOnTimeout":   tcp.EstablishedTimedout,
	} {
		add(name, n)
	}
	add("TcpExtListenDrops", tcp.ListenOverflowSynDrop, tcp.ListenOverflowAckDrop)
}
