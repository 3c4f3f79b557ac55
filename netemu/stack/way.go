package stack

import (
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Way is what a packet's IP header asks of the network.
type Way struct {
	TTL, TOS uint8 // hop limit and traffic class for IPv6
	Fragment Fragment
}

// Fragment says who may cut a packet that a link of its way has no room for.
type Fragment uint8

const (
	// FragmentAnywhere: hosts and routers: IPv4 without DF.
	FragmentAnywhere Fragment = iota
	// FragmentAtSource: the sending host, to what it knows of the path, and
	// no router: IP_PMTUDISC_WANT, and what IPv6 does by itself.
	FragmentAtSource
	// FragmentNever: nobody; it is answered with the MTU that it exceeds:
	// IP_PMTUDISC_DO and IP_PMTUDISC_PROBE.
	FragmentNever
)

// markFragment is the mark of packets that the socket lets its host fragment.
// The link's MTU leaves that to the gateway, as far as the real network is
// narrower, and no header tells it: both kinds carry DF, IPv6 has no such bit.
// Marks cross the link and are seen nowhere else.
const markFragment = 1

// wayOf reads an inbound packet's Way. One that came in fragments was cut at its
// source already.
func wayOf(pkt *stack.PacketBuffer) Way {
	h := pkt.NetworkHeader().Slice()
	marked := pkt.Mark&markFragment != 0
	if pkt.NetworkProtocolNumber == header.IPv6ProtocolNumber {
		n := header.IPv6(h)
		w := Way{TTL: n.HopLimit(), Fragment: FragmentNever}
		w.TOS, _ = n.TOS()
		if marked || header.IPv6ExtensionHeaderIdentifier(n.NextHeader()) == header.IPv6FragmentExtHdrIdentifier {
			w.Fragment = FragmentAtSource
		}
		return w
	}
	n := header.IPv4(h)
	w := Way{TTL: n.TTL(), Fragment: FragmentAnywhere}
	w.TOS, _ = n.TOS()
	switch {
	case n.Flags()&header.IPv4FlagDontFragment == 0:
	case marked:
		w.Fragment = FragmentAtSource
	default:
		w.Fragment = FragmentNever
	}
	return w
}

// mark tells the gateway, by the packets to come, what IP_MTU_DISCOVER says. A
// packet whose header the program makes says all by itself.
func (e *Endpoint) mark(disc int) {
	var m uint32
	if mayFragment(disc) && !(e.kind == kindRaw && e.ep.SocketOptions().GetHeaderIncluded()) {
		m = markFragment
	}
	e.ep.SocketOptions().SetMark(m)
}

// mayFragment says whether a socket's own host may fragment what it sends,
// ip_sk_ignore_df and ip6_sk_ignore_df.
func mayFragment(disc int) bool {
	return disc == unix.IP_PMTUDISC_DONT || disc == unix.IP_PMTUDISC_WANT || disc == unix.IP_PMTUDISC_OMIT
}

// setsDF says whether a socket's IPv4 packets carry DF, __ip_make_skb.
func setsDF(disc int) bool {
	switch disc {
	case unix.IP_PMTUDISC_WANT, unix.IP_PMTUDISC_DO, unix.IP_PMTUDISC_PROBE:
		return true
	}
	return false
}

// netstackPMTU is the value of netstack's that sets DF, or does not, as disc of
// IP_PMTUDISC_* does; that is all that netstack makes of it.
func netstackPMTU(disc int) int {
	if setsDF(disc) {
		return int(tcpip.PMTUDiscoveryDo)
	}
	return int(tcpip.PMTUDiscoveryDont)
}
