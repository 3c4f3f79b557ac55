package netemu

import "golang.org/x/sys/unix"

// udpOptions are the rows of level SOL_UDP, see udp(7). UDP_SEGMENT is not
// among them: programs that can set it send many datagrams as one.
var udpOptions = map[int32]option{
	unix.UDP_CORK:         {name: "UDP_CORK", setInt: setCork, getInt: getCork},
	unix.UDP_ENCAP:        off("UDP_ENCAP", "there is no IPsec", unix.ENOPROTOOPT),
	unix.UDP_GRO:          rememberedFlag("UDP_GRO", "datagrams are never merged", 0),
	unix.UDP_NO_CHECK6_TX: rememberedFlag("UDP_NO_CHECK6_TX", "checksums are always sent", 0),
	unix.UDP_NO_CHECK6_RX: rememberedFlag("UDP_NO_CHECK6_RX", "datagrams without a checksum are dropped", 0),
}
