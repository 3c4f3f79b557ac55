package uplink

import "net/netip"

// The address plan of the link between the sandbox and its uplink. It is
// slirp's, so that images and habits made for QEMU's or slirp4netns's user
// networking fit.
var (
	// Net4 and Net6 are the link's prefixes. No packet to them ever leaves.
	Net4 = netip.MustParsePrefix("10.0.2.0/24")
	Net6 = netip.MustParsePrefix("fd00:2::/64")
	// Host4 and Host6 are the sandbox's own addresses, on eth0.
	Host4 = netip.MustParseAddr("10.0.2.100")
	Host6 = netip.MustParseAddr("fd00:2::64")
	// Gateway4 and Gateway6 are the default gateways, and stand for the host
	// itself (host.netbox).
	Gateway4 = netip.MustParseAddr("10.0.2.2")
	Gateway6 = netip.MustParseAddr("fd00:2::2")
	// Nameserver4 and Nameserver6 are where the DNS forwarder listens.
	Nameserver4 = netip.MustParseAddr("10.0.2.3")
	Nameserver6 = netip.MustParseAddr("fd00:2::3")
)
