package ifreq

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// Layout of struct rtentry (<linux/route.h>) and struct in6_rtmsg
// (<linux/ipv6_route.h>) on 64-bit machines: sizes and offsets in bytes.
const (
	sizeofRtentry  = 120
	rtentryDst     = 8
	rtentryGateway = 24
	rtentryMask    = 40
	rtentryFlags   = 56
	rtentryMetric  = 80
	rtentryDevice  = 88
	rtentryMTU     = 96

	sizeofIn6Rtmsg = 80
	in6Gateway     = 32
	in6DstLen      = 52
	in6Metric      = 56
	in6Flags       = 72
	in6Index       = 76
)

// Flags of rows (RTF_*, <linux/route.h>).
const (
	rtfGateway = 0x2
	rtfHost    = 0x4
	rtfMTU     = 0x40
	rtfReject  = 0x200
)

// addRoute is SIOCADDRT on an IPv4 socket (ip_rt_ioctl, net/ipv4/fib_frontend.c).
func addRoute(c *call, h *rtnl.Host) unix.Errno {
	r, errno := c.rtentry()
	if errno != 0 {
		return errno
	}
	r.Protocol = unix.RTPROT_BOOT
	if r.Scope == unix.RT_SCOPE_NOWHERE {
		r.Scope = unix.RT_SCOPE_LINK
	}
	return errnoOf(h.AddRoute(rtnl.Request{Flags: unix.NLM_F_CREATE}, r))
}

// deleteRoute is SIOCDELRT there.
func deleteRoute(c *call, h *rtnl.Host) unix.Errno {
	r, errno := c.rtentry()
	if errno != 0 {
		return errno
	}
	return errnoOf(h.DeleteRoute(rtnl.Request{}, rtnl.RouteSelector{Route: r, AnyScope: r.Scope == unix.RT_SCOPE_NOWHERE}))
}

// rtentry reads a struct rtentry (rtentry_to_fib_config). EAFNOSUPPORT: an
// address is none of IPv4. EINVAL: a mask has holes or is shorter than the
// destination, or the gateway that is said to be there is not. ENODEV: the
// interface is not there.
func (c *call) rtentry() (stack.Route, unix.Errno) {
	b := make([]byte, sizeofRtentry)
	if errno := c.mem.ReadMemory(c.arg, b); errno != 0 {
		return stack.Route{}, errno
	}
	ne := binary.NativeEndian
	flags := ne.Uint16(b[rtentryFlags:])
	r := stack.Route{Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, Scope: unix.RT_SCOPE_NOWHERE}
	dst, errno := rtentryDestination(b, flags)
	if errno != 0 {
		return r, errno
	}
	r.Dst = dst
	if metric := int16(ne.Uint16(b[rtentryMetric:])); metric > 0 {
		r.Metric = uint32(metric) - 1
	}
	if flags&rtfReject != 0 {
		r.Type, r.Scope = unix.RTN_UNREACHABLE, unix.RT_SCOPE_HOST
		return r, 0
	}
	if r.NIC, errno = c.deviceAt(ne.Uint64(b[rtentryDevice:])); errno != 0 {
		return r, errno
	}
	if gw := netip.AddrFrom4([4]byte(b[rtentryGateway+4:])); ne.Uint16(b[rtentryGateway:]) == unix.AF_INET && !gw.IsUnspecified() {
		r.Gateway = gw
		if flags&rtfGateway != 0 {
			r.Scope = unix.RT_SCOPE_UNIVERSE
		}
	} else if flags&rtfGateway != 0 {
		return r, unix.EINVAL
	}
	if mtu := ne.Uint64(b[rtentryMTU:]); flags&rtfMTU != 0 {
		r.Metrics[unix.RTAX_ADVMSS] = uint32(mtu) - 40
	}
	return r, 0
}

func rtentryDestination(b []byte, flags uint16) (netip.Prefix, unix.Errno) {
	ne := binary.NativeEndian
	if ne.Uint16(b[rtentryDst:]) != unix.AF_INET {
		return netip.Prefix{}, unix.EAFNOSUPPORT
	}
	dst := netip.AddrFrom4([4]byte(b[rtentryDst+4:]))
	if flags&rtfHost != 0 {
		return netip.PrefixFrom(dst, 32), 0
	}
	mask, family := netip.AddrFrom4([4]byte(b[rtentryMask+4:])), ne.Uint16(b[rtentryMask:])
	if family != unix.AF_INET && (family != 0 || !mask.IsUnspecified()) {
		return netip.Prefix{}, unix.EAFNOSUPPORT
	}
	bits, ok := maskBits(mask)
	p := netip.PrefixFrom(dst, bits)
	if !ok || p.Masked() != p {
		return p, unix.EINVAL
	}
	return p, 0
}

// deviceAt is the index of the interface whose name is at addr; 0 for the null
// pointer.
func (c *call) deviceAt(addr uint64) (int32, unix.Errno) {
	if addr == 0 {
		return 0, 0
	}
	name := make([]byte, unix.IFNAMSIZ-1)
	if errno := c.mem.ReadMemory(addr, name); errno != 0 {
		return 0, errno
	}
	name, _, _ = bytes.Cut(name, []byte{0})
	device, _ := splitAlias(string(name))
	for _, link := range c.source.Interfaces() {
		if link.Name == device {
			return link.Index, 0
		}
	}
	return 0, unix.ENODEV
}

// addRoute6 is SIOCADDRT on an IPv6 socket (ipv6_route_ioctl, net/ipv6/route.c).
func addRoute6(c *call, h *rtnl.Host) unix.Errno {
	r, errno := c.in6Rtmsg()
	if errno != 0 {
		return errno
	}
	if r.Type == 0 {
		r.Type = unix.RTN_UNICAST
	}
	r.Protocol = unix.RTPROT_BOOT
	return errnoOf(h.AddRoute(rtnl.Request{Flags: unix.NLM_F_CREATE}, r))
}

// deleteRoute6 is SIOCDELRT there.
func deleteRoute6(c *call, h *rtnl.Host) unix.Errno {
	r, errno := c.in6Rtmsg()
	if errno != 0 {
		return errno
	}
	return errnoOf(h.DeleteRoute(rtnl.Request{}, rtnl.RouteSelector{Route: r}))
}

func (c *call) in6Rtmsg() (stack.Route, unix.Errno) {
	b := make([]byte, sizeofIn6Rtmsg)
	if errno := c.mem.ReadMemory(c.arg, b); errno != 0 {
		return stack.Route{}, errno
	}
	ne := binary.NativeEndian
	flags, bits := ne.Uint32(b[in6Flags:]), ne.Uint16(b[in6DstLen:])
	if bits > 128 {
		return stack.Route{}, unix.EINVAL
	}
	r := stack.Route{
		Table: unix.RT_TABLE_MAIN, Dst: netip.PrefixFrom(netip.AddrFrom16([16]byte(b)), int(bits)).Masked(),
		Metric: ne.Uint32(b[in6Metric:]), NIC: int32(ne.Uint32(b[in6Index:])),
	}
	if flags&rtfGateway != 0 {
		r.Gateway = netip.AddrFrom16([16]byte(b[in6Gateway:]))
	}
	if flags&rtfReject != 0 {
		r.Type = unix.RTN_UNREACHABLE
	}
	return r, 0
}
