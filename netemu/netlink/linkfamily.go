package netlink

import (
	"encoding/binary"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// devconf4 is IFLA_INET_CONF: what net.ipv4.conf.* is set to by default, in the
// order of IPV4_DEVCONF_* (<linux/ip.h>), which counts from 1.
func devconf4(link stack.Interface) []byte {
	const (
		size                = 33
		acceptRedirects     = 4
		secureRedirects     = 5
		sendRedirects       = 6
		sharedMedia         = 7
		acceptSourceRoute   = 9
		noXfrm              = 15
		noPolicy            = 16
		igmpv2Unsolicited   = 27 // milliseconds
		igmpv3Unsolicited   = 28 // milliseconds
		arpEvictNoCarrier   = 33
		igmpv2Milliseconds  = 10000
		igmpv3Milliseconds  = 1000
		defaultSettingIsSet = 1
	)
	var conf [size + 1]uint32
	for _, i := range []int{acceptRedirects, secureRedirects, sendRedirects, sharedMedia, acceptSourceRoute, arpEvictNoCarrier} {
		conf[i] = defaultSettingIsSet
	}
	conf[igmpv2Unsolicited], conf[igmpv3Unsolicited] = igmpv2Milliseconds, igmpv3Milliseconds
	if link.Loopback {
		conf[noXfrm], conf[noPolicy] = defaultSettingIsSet, defaultSettingIsSet
	}
	var b []byte
	for _, v := range conf[1:] {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

// IPv6 facts of a link: IF_READY of <net/if_inet6.h>; the longest packet
// reassembled, in bytes; the default reachable time and retransmission time
// (RFC 4861 section 10), in milliseconds; a link-local address made of the
// hardware address (IN6_ADDR_GEN_MODE_EUI64, <linux/if_link.h>).
const (
	ifReady        = 0x80000000
	maxReassembly  = 65535
	reachableTime  = 30000
	retransmitTime = 1000
	addrGenModeEUI = 0
)

// linkFamilies is the content of IFLA_AF_SPEC. Of IPv6 it leaves out the
// settings (IFLA_INET6_CONF) and counters (IFLA_INET6_STATS,
// IFLA_INET6_ICMP6STATS): /proc has them.
func linkFamilies(ae *nl.AttributeEncoder, link stack.Interface) {
	nest(ae, unix.AF_INET, func(ae *nl.AttributeEncoder) {
		ae.Bytes(unix.IFLA_INET_CONF, devconf4(link))
	})
	if rtnl.HasInet6(link) {
		nest(ae, unix.AF_INET6, func(ae *nl.AttributeEncoder) { linkInet6(ae, link) })
	}
}

func linkInet6(ae *nl.AttributeEncoder, link stack.Interface) {
	ne := binary.NativeEndian
	cache := ne.AppendUint32(nil, maxReassembly)
	cache = ne.AppendUint32(cache, 0) // age of the record
	cache = ne.AppendUint32(cache, reachableTime)
	cache = ne.AppendUint32(cache, retransmitTime)
	flags := uint32(0)
	if link.Up {
		flags = ifReady
	}
	ae.Uint32(unix.IFLA_INET6_FLAGS, flags)
	ae.Bytes(unix.IFLA_INET6_CACHEINFO, cache)
	ae.Bytes(unix.IFLA_INET6_TOKEN, make([]byte, 16))
	ae.Uint8(unix.IFLA_INET6_ADDR_GEN_MODE, addrGenModeEUI)
}

// dumpLinks6 answers a RTM_GETLINK dump for AF_INET6, as inet6_dump_ifinfo
// does: fewer facts of the links, those of IPv6 in IFLA_PROTINFO.
func dumpLinks6(r *request) (rows, *refusal) {
	if r.strict {
		if failure := strictLinks6(r); failure != nil {
			return rows{}, failure
		}
	}
	var answer rows
	for _, link := range r.interfaces {
		if rtnl.HasInet6(link) {
			answer.list = append(answer.list, linkRow6(link))
		}
	}
	return answer, nil
}

// linkRow6 is the RTM_NEWLINK of a link's IPv6 side.
func linkRow6(link stack.Interface) row {
	attrs := encode(func(ae *nl.AttributeEncoder) {
		ae.String(unix.IFLA_IFNAME, link.Name)
		ae.Bytes(unix.IFLA_ADDRESS, link.HardwareAddr[:])
		ae.Uint32(unix.IFLA_MTU, uint32(link.MTU))
		ae.Uint8(unix.IFLA_OPERSTATE, operstate(link))
		ae.Nested(unix.IFLA_PROTINFO, func(ae *nl.AttributeEncoder) error {
			linkInet6(ae, link)
			return nil
		})
	})
	return row{unix.RTM_NEWLINK, append(ifinfomsg(unix.AF_INET6, link), attrs...)}
}

func strictLinks6(r *request) *refusal {
	index, attrs, failure := parseLinkRequest(r, "link dump")
	switch {
	case failure != nil:
		return failure
	case index != 0:
		return refuse(unix.EINVAL, "ipv6: Invalid values in header for dump request")
	}
	return attrs.only("ipv6: Invalid data after header")
}
