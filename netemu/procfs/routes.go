package procfs

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/netdev"
	"netbox/netemu/rtnl"
)

// interfaceName is that of an index; "*" if there is none.
func interfaceName(s Source, index int32) string {
	for _, i := range s.Interfaces() {
		if i.Index == index {
			return i.Name
		}
	}
	return "*"
}

// word is an IPv4 address as a number, as the kernel's %08X prints a __be32.
func word(a netip.Addr) uint32 {
	if !a.IsValid() {
		return 0
	}
	b := a.As4()
	return binary.NativeEndian.Uint32(b[:])
}

// routes4 is /proc/net/route, the main table (fib_route_seq_show,
// net/ipv4/fib_trie.c).
func routes4(s Source) []byte {
	var f file
	f.line("%s", padded("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT", 127))
	for _, r := range rtnl.Dump(s.Routes(), true) {
		if r.Table != unix.RT_TABLE_MAIN || r.Type == unix.RTN_BROADCAST || r.Type == unix.RTN_MULTICAST {
			continue
		}
		flags, device := unix.RTF_UP, "*"
		if r.NIC != 0 {
			device = interfaceName(s, r.NIC)
		}
		if r.Type == unix.RTN_UNREACHABLE || r.Type == unix.RTN_PROHIBIT {
			flags |= rtfReject
		}
		if r.Gateway.IsValid() {
			flags |= unix.RTF_GATEWAY
		}
		if r.Dst.IsSingleIP() {
			flags |= unix.RTF_HOST
		}
		mask := binary.NativeEndian.Uint32(netdev.Netmask(r.Dst))
		line := fmt.Sprintf("%s\t%08X\t%08X\t%04X\t%d\t%d\t%d\t%08X\t%d\t%d\t%d", device,
			word(r.Dst.Addr()), word(r.Gateway), flags, 0, 0, r.Metric, mask, 0, 0, 0)
		f.line("%s", padded(line, 127))
	}
	return f.Bytes()
}

// References that routes of the kernel's own and others have.
const (
	kernelReferences = 2
	routeReferences  = 1
)

// rtfLocal and others are RTF_* of <linux/ipv6_route.h> and <linux/route.h>.
const (
	rtfLocal     = 0x80000000
	rtfNoNexthop = 0x00200000
	rtfReject    = 0x0200
)

// routes6 is /proc/net/ipv6_route, all tables and the entry that stands for no
// route (ipv6_route_native_seq_show, net/ipv6/ip6_fib.c).
func routes6(s Source) []byte {
	var f file
	none := hex16(netip.Addr{})
	row := func(dst netip.Prefix, gateway netip.Addr, metric, references, flags uint32, device string) {
		f.line("%s %02x %s 00 %s %08x %08x %08x %08x %8s", hex16(dst.Addr()), dst.Bits(), none, hex16(gateway), metric, references, 0, flags, device)
	}
	for _, r := range rtnl.Dump(s.Routes(), false) {
		flags, references, device := uint32(unix.RTF_UP), uint32(kernelReferences), "lo"
		if r.NIC != 0 {
			device = interfaceName(s, r.NIC)
		}
		switch {
		case rejects(r.Type):
			flags, references = rtfReject|rtfNoNexthop, routeReferences
		case r.Type == unix.RTN_LOCAL:
			flags |= rtfLocal | rtfNoNexthop
		case r.Gateway.IsValid():
			flags |= unix.RTF_GATEWAY
			references = routeReferences
		}
		row(r.Dst, r.Gateway, r.Metric, references, flags, device)
	}
	row(netip.PrefixFrom(netip.IPv6Unspecified(), 0), netip.Addr{}, ^uint32(0), routeReferences, rtfReject|rtfNoNexthop, "lo")
	return f.Bytes()
}

// rejects says whether a route of this type leads nowhere (RTN_*).
func rejects(typ uint8) bool {
	switch typ {
	case unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_THROW:
		return true
	}
	return false
}

// routeStats6 is /proc/net/rt6_stats (rt6_stats_seq_show, net/ipv6/route.c):
// nodes, nodes with routes, route entries, and routes.
func routeStats6(s Source) []byte {
	n := len(rtnl.Dump(s.Routes(), false)) + 1
	var f file
	f.line("%04x %04x %04x %04x %04x %04x %04x", n, n, n, n, 0, 0, 0)
	return f.Bytes()
}
