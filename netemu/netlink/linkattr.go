package netlink

import (
	"encoding/binary"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/netdev"
	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// IFLA_* attributes that golang.org/x/sys/unix lacks (<linux/if_link.h> of
// Linux 6.18), and RTEXT_FILTER_SKIP_STATS (<linux/rtnetlink.h>).
const (
	iflaMaxPacingOffloadHorizon = 66
	iflaNetnsImmutable          = 67
	iflaHeadroom                = 68
	iflaTailroom                = 69
	iflaMax                     = iflaTailroom

	rtextFilterSkipStats = 8
)

// Operational states (RFC 2863, <linux/if.h>): lo tells UNKNOWN.
const (
	operUnknown = 0
	operDown    = 2
	operUp      = 6
)

// What Linux tells of segmentation offload for an interface that sets no
// limits of its own (include/linux/netdevice.h): GSO_LEGACY_MAX_SIZE bytes,
// GSO_MAX_SEGS segments, and loopback's TSO limit.
const (
	gsoMaxSize = 65536
	gsoMaxSegs = 65535
	tsoMaxSize = 524280
	// ethMinMTU is ETH_MIN_MTU, ethMaxMTU ETH_MAX_MTU (<linux/if_ether.h>).
	ethMinMTU = 68
	ethMaxMTU = 65535
)

// linkRow is the RTM_NEWLINK of a link, its attributes in the order of
// rtnl_fill_ifinfo. Mask is the request's IFLA_EXT_MASK.
func linkRow(link stack.Interface, mask uint32) row {
	attrs := encode(func(ae *nl.AttributeEncoder) {
		linkSettings(ae, link)
		linkState(ae, link)
		broadcast := netdev.HardwareBroadcast(link)
		ae.Bytes(unix.IFLA_ADDRESS, link.HardwareAddr[:])
		ae.Bytes(unix.IFLA_BROADCAST, broadcast[:])
		if mask&rtextFilterSkipStats == 0 {
			ae.Bytes(unix.IFLA_STATS64, stats64(link.Stats))
			ae.Bytes(unix.IFLA_STATS, stats32(link.Stats))
		}
		nest(ae, unix.IFLA_XDP, func(ae *nl.AttributeEncoder) { ae.Uint8(unix.IFLA_XDP_ATTACHED, 0) })
		ae.String(unix.IFLA_QDISC, "noqueue")
		if link.Kind != "" {
			nest(ae, unix.IFLA_LINKINFO, func(ae *nl.AttributeEncoder) { ae.String(unix.IFLA_INFO_KIND, link.Kind) })
		}
		nest(ae, unix.IFLA_AF_SPEC, func(ae *nl.AttributeEncoder) { linkFamilies(ae, link) })
		ae.Bytes(unix.IFLA_MAP, make([]byte, sizeofRtnlLinkIfmap))
	})
	return row{unix.RTM_NEWLINK, append(ifinfomsg(unix.AF_UNSPEC, link), attrs...)}
}

// sizeofRtnlLinkIfmap is sizeof(struct rtnl_link_ifmap) (<linux/if_link.h>).
const sizeofRtnlLinkIfmap = 32

func linkSettings(ae *nl.AttributeEncoder, link stack.Interface) {
	minMTU, maxMTU, immutable := uint32(ethMinMTU), uint32(ethMaxMTU), uint8(0)
	if link.Loopback {
		minMTU, maxMTU, immutable = 0, 0, 1
	}
	ae.String(unix.IFLA_IFNAME, link.Name)
	ae.Uint32(unix.IFLA_TXQLEN, uint32(link.TxQueueLen))
	ae.Uint8(unix.IFLA_OPERSTATE, operstate(link))
	ae.Uint8(unix.IFLA_LINKMODE, 0)
	ae.Uint8(iflaNetnsImmutable, immutable)
	ae.Uint32(unix.IFLA_MTU, uint32(link.MTU))
	ae.Uint32(unix.IFLA_MIN_MTU, minMTU)
	ae.Uint32(unix.IFLA_MAX_MTU, maxMTU)
	ae.Uint32(unix.IFLA_GROUP, link.Group)
	ae.Uint32(unix.IFLA_PROMISCUITY, link.Flags&unix.IFF_PROMISC/unix.IFF_PROMISC)
	ae.Uint32(unix.IFLA_ALLMULTI, link.Flags&unix.IFF_ALLMULTI/unix.IFF_ALLMULTI)
	ae.Uint32(unix.IFLA_NUM_TX_QUEUES, 1)
	ae.Uint32(unix.IFLA_GSO_MAX_SEGS, gsoMaxSegs)
	ae.Uint32(unix.IFLA_GSO_MAX_SIZE, gsoMaxSize)
	ae.Uint32(unix.IFLA_GRO_MAX_SIZE, gsoMaxSize)
	ae.Uint32(unix.IFLA_GSO_IPV4_MAX_SIZE, gsoMaxSize)
	ae.Uint32(unix.IFLA_GRO_IPV4_MAX_SIZE, gsoMaxSize)
	ae.Uint32(unix.IFLA_TSO_MAX_SIZE, tsoMaxSize)
	ae.Uint32(unix.IFLA_TSO_MAX_SEGS, gsoMaxSegs)
	ae.Uint32(iflaMaxPacingOffloadHorizon, 0)
	ae.Uint32(unix.IFLA_NUM_RX_QUEUES, 1)
}

func operstate(link stack.Interface) uint8 {
	switch {
	case !link.Up:
		return operDown
	case link.Loopback || link.Kind == rtnl.Dummy:
		return operUnknown
	}
	return operUp
}

// linkState are the attributes of the carrier, which eth0 has got once, when
// it was made, and lo always had.
func linkState(ae *nl.AttributeEncoder, link stack.Interface) {
	carrier, changes := uint8(0), uint32(0)
	if link.Up || link.Loopback {
		carrier = 1
	}
	if link.Up && !link.Loopback && link.Kind == "" {
		changes = 1
	}
	ae.Uint8(unix.IFLA_CARRIER, carrier)
	if link.Alias != "" {
		ae.String(unix.IFLA_IFALIAS, link.Alias)
	}
	ae.Uint32(unix.IFLA_CARRIER_CHANGES, changes)
	ae.Uint32(unix.IFLA_CARRIER_UP_COUNT, changes)
	ae.Uint32(unix.IFLA_CARRIER_DOWN_COUNT, 0)
	ae.Uint16(iflaHeadroom, 0)
	ae.Uint16(iflaTailroom, 0)
	ae.Uint8(unix.IFLA_PROTO_DOWN, 0)
}

// Numbers of counters in struct rtnl_link_stats64 and rtnl_link_stats
// (<linux/if_link.h>); the stack keeps the first eight, in their order.
const (
	counters64 = 25
	counters32 = 24
)

func counters(s stack.InterfaceStats) [8]uint64 {
	return [8]uint64{s.RxPackets, s.TxPackets, s.RxBytes, s.TxBytes, s.RxErrors, s.TxErrors, s.RxDropped, s.TxDropped}
}

func stats64(s stack.InterfaceStats) []byte {
	b := make([]byte, counters64*8)
	for i, v := range counters(s) {
		binary.NativeEndian.PutUint64(b[i*8:], v)
	}
	return b
}

// stats32 has the counters modulo 2³², as Linux gives them.
func stats32(s stack.InterfaceStats) []byte {
	b := make([]byte, counters32*4)
	for i, v := range counters(s) {
		binary.NativeEndian.PutUint32(b[i*4:], uint32(v))
	}
	return b
}
