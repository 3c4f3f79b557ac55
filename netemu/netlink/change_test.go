package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/netlink/netnstest"
)

// step is a request that changes something. After it the requester's answer,
// what a listener of all groups hears, and the tables are those of Linux.
type step struct {
	name    string
	request []byte
	// settles says that the kernel tells of the link again when its carrier has
	// settled.
	settles bool
}

// setting makes a request for a change, acknowledged.
func setting(typ, flags int, parts ...[]byte) []byte {
	return message(typ, unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags, parts...)
}

const (
	create  = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	replace = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	appends = unix.NLM_F_CREATE | unix.NLM_F_APPEND
	eth     = 2
	unknown = 9
)

// ifaddr is an ifaddrmsg and the address as iproute2 gives it: IFA_LOCAL and
// IFA_ADDRESS.
func ifaddr(index byte, prefix string, flags byte) []byte {
	p := netip.MustParsePrefix(prefix)
	family := byte(unix.AF_INET)
	if p.Addr().Is6() {
		family = unix.AF_INET6
	}
	b := []byte{family, byte(p.Bits()), flags, 0, index, 0, 0, 0}
	b = append(b, attr(unix.IFA_LOCAL, p.Addr().AsSlice())...)
	return append(b, attr(unix.IFA_ADDRESS, p.Addr().AsSlice())...)
}

func ip(a string) []byte { return netip.MustParseAddr(a).AsSlice() }

// row is a rtmsg as iproute2 fills it in for a row of the main table, with its
// destination.
func rowOf(dst string, typ, scope byte, attrs ...[]byte) []byte {
	p := netip.MustParsePrefix(dst)
	family := byte(unix.AF_INET)
	if p.Addr().Is6() {
		family = unix.AF_INET6
	}
	b := []byte{family, byte(p.Bits()), 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, scope, typ, 0, 0, 0, 0}
	if p.Bits() > 0 {
		b = append(b, attr(unix.RTA_DST, p.Addr().AsSlice())...)
	}
	for _, a := range attrs {
		b = append(padded(b), a...)
	}
	return b
}

func via(a string) []byte      { return attr(unix.RTA_GATEWAY, ip(a)) }
func dev(index uint32) []byte  { return attr(unix.RTA_OIF, word(index)) }
func metric(v uint32) []byte   { return attr(unix.RTA_PRIORITY, word(v)) }
func prefsrc(a string) []byte  { return attr(unix.RTA_PREFSRC, ip(a)) }
func anyScope(b []byte) []byte { b[rtmScope], b[rtmProtocol] = unix.RT_SCOPE_NOWHERE, 0; return b }
func withFlags(b []byte, flags uint32) []byte {
	binary.NativeEndian.PutUint32(b[rtmFlags:], flags)
	return b
}

// ifinfo is an ifinfomsg.
func ifinfo(index byte, flags, mask uint32, attrs ...[]byte) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	b[4] = index
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], mask)
	for _, a := range attrs {
		b = append(padded(b), a...)
	}
	return b
}

func addressSteps() []step {
	brd := attr(unix.IFA_BROADCAST, ip("10.0.2.255"))
	labelled := attr(unix.IFA_LABEL, []byte("eth0:1\x00"))
	lifetime := func(preferred, valid uint32) []byte {
		return attr(unix.IFA_CACHEINFO, append(append(word(preferred), word(valid)...), make([]byte, 8)...))
	}
	add := func(name string, flags int, parts ...[]byte) step {
		return step{name: name, request: setting(unix.RTM_NEWADDR, flags, parts...)}
	}
	del := func(name string, parts ...[]byte) step {
		return step{name: name, request: setting(unix.RTM_DELADDR, 0, parts...)}
	}
	return []step{
		add("address of a new network", create, ifaddr(eth, "10.9.0.1/24", 0)),
		add("second address, with broadcast", create, ifaddr(eth, "10.0.2.101/24", 0), brd),
		add("the same again", create, ifaddr(eth, "10.0.2.101/24", 0), brd),
		add("the same, replaced", replace, ifaddr(eth, "10.0.2.101/24", 0), brd),
		add("the same, no flags", 0, ifaddr(eth, "10.0.2.101/24", 0)),
		add("labelled host address", create, ifaddr(eth, "10.9.9.9/32", 0), labelled),
		add("address with a far end", create, attr4(eth, 32, "10.7.0.1", "10.7.0.2")),
		add("echoed", create|unix.NLM_F_ECHO, ifaddr(eth, "10.9.1.1/30", 0)),
		add("no prefix route", create, ifaddr(eth, "10.9.2.1/24", 0), attr(unix.IFA_FLAGS, word(unix.IFA_F_NOPREFIXROUTE))),
		add("metric of the prefix", create, ifaddr(eth, "10.9.3.1/24", 0), attr(unix.IFA_RT_PRIORITY, word(7))),
		add("of another scope in the network", create, scoped(ifaddr(eth, "10.0.2.102/24", 0), unix.RT_SCOPE_LINK)),
		add("wildcard", create, ifaddr(eth, "0.0.0.0/24", 0)),
		add("interface that is not", create, ifaddr(unknown, "10.9.4.1/24", 0)),
		add("prefix too long", create, bits(ifaddr(eth, "10.9.4.1/24", 0), 33)),
		add("no local address", create, []byte{unix.AF_INET, 24, 0, 0, eth, 0, 0, 0}),
		add("address too short", create, []byte{unix.AF_INET, 24, 0, 0, eth, 0, 0, 0}, attr(unix.IFA_LOCAL, []byte{1, 2})),
		add("lifetime of nothing", create, ifaddr(eth, "10.9.4.1/24", 0), lifetime(0, 0)),
		add("preferred longer than valid", create, ifaddr(eth, "10.9.4.1/24", 0), lifetime(20, 10)),
		add("short header", create, []byte{unix.AF_INET, 24, 0, 0}),
		del("address with another network's length", bits(ifaddr(eth, "10.9.0.1/24", 0), 16)),
		del("no such address", ifaddr(eth, "10.9.0.2/32", 0)),
		del("interface that is not", ifaddr(unknown, "10.9.0.1/24", 0)),
		del("address of the new network", ifaddr(eth, "10.9.0.1/24", 0)),
		del("address with a far end", attr4(eth, 32, "10.7.0.1", "10.7.0.2")),
		del("the second address", ifaddr(eth, "10.0.2.101/24", 0)),
		add("second address again", create, ifaddr(eth, "10.0.2.101/24", 0), brd),
		del("the first address, and the second with it", ifaddr(eth, "10.0.2.100/24", 0)),
		add("the first address again", create, ifaddr(eth, "10.0.2.100/24", 0), brd),
		add("another one on lo", create, ifaddr(1, "127.0.0.2/8", 0)),
		del("it goes", ifaddr(1, "127.0.0.2/8", 0)),
		add("IPv6 address", create, ifaddr(eth, "fd00:5::1/64", unix.IFA_F_NODAD)),
		add("IPv6 address again", create, ifaddr(eth, "fd00:5::1/64", unix.IFA_F_NODAD)),
		add("IPv6 address replaced", replace, ifaddr(eth, "fd00:5::1/64", unix.IFA_F_NODAD)),
		add("second of the network", create, ifaddr(eth, "fd00:5::2/64", unix.IFA_F_NODAD)),
		add("IPv6 host", create, ifaddr(eth, "fd00:6::1/128", unix.IFA_F_NODAD)),
		add("IPv6 group", create, ifaddr(eth, "ff02::77/64", unix.IFA_F_NODAD)),
		add("IPv6 loopback on eth0", create, ifaddr(eth, "::1/64", unix.IFA_F_NODAD)),
		add("IPv6 wildcard", create, ifaddr(eth, "::/64", unix.IFA_F_NODAD)),
		add("IPv6 interface that is not", create, ifaddr(unknown, "fd00:5::1/64", unix.IFA_F_NODAD)),
		add("IPv6 prefix too long", create, bits(ifaddr(eth, "fd00:5::7/64", unix.IFA_F_NODAD), 129)),
		add("IPv6 without an address", create, []byte{unix.AF_INET6, 64, 0, 0, eth, 0, 0, 0}),
		add("IPv6 lifetime of nothing", create, ifaddr(eth, "fd00:5::7/64", unix.IFA_F_NODAD), lifetime(0, 0)),
		del("IPv6 address", ifaddr(eth, "fd00:5::1/64", 0)),
		del("IPv6 address again", ifaddr(eth, "fd00:5::1/64", 0)),
		del("IPv6, the second", ifaddr(eth, "fd00:5::2/64", 0)),
		del("IPv6 interface that is not", ifaddr(unknown, "fd00:5::2/64", 0)),
		del("link-local address", ifaddr(eth, "fe80::aff:fe00:264/64", 0)),
	}
}

func scoped(b []byte, scope byte) []byte { b[3] = scope; return b }
func bits(b []byte, n byte) []byte       { b[1] = n; return b }

func attr4(index, length byte, local, far string) []byte {
	b := []byte{unix.AF_INET, length, 0, 0, index, 0, 0, 0}
	b = append(b, attr(unix.IFA_LOCAL, ip(local))...)
	return append(b, attr(unix.IFA_ADDRESS, ip(far))...)
}

func routeSteps() []step {
	const unicast, universe, linkScope = unix.RTN_UNICAST, unix.RT_SCOPE_UNIVERSE, unix.RT_SCOPE_LINK
	add := func(name string, flags int, parts ...[]byte) step {
		return step{name: name, request: setting(unix.RTM_NEWROUTE, flags, parts...)}
	}
	del := func(name string, parts ...[]byte) step {
		return step{name: name, request: setting(unix.RTM_DELROUTE, 0, parts...)}
	}
	mtu := func(v uint32) []byte { return attr(unix.RTA_METRICS, attr(unix.RTAX_MTU, word(v))) }
	table := attr(unix.RTA_TABLE, word(1000))
	return []step{
		add("by a gateway", create, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.2"))),
		add("the same", create, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.2"))),
		add("another gateway, excluded", create, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.3"))),
		add("appended", appends, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.3"))),
		add("appended again", appends, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.3"))),
		add("prepended", unix.NLM_F_CREATE, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.4"))),
		add("replaced", replace, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.5"))),
		add("replaced by itself", replace, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.5"))),
		add("replaced by the third", replace, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.3"))),
		add("changed, not there", unix.NLM_F_REPLACE, rowOf("192.0.3.0/24", unicast, universe, via("10.0.2.5"))),
		add("neither created nor there", 0, rowOf("192.0.3.0/24", unicast, universe, via("10.0.2.5"))),
		add("with metric and MTU", create, rowOf("192.0.2.0/24", unicast, universe, via("10.0.2.2"), metric(9), mtu(1300))),
		add("with a source", create, rowOf("192.0.4.0/24", unicast, universe, via("10.0.2.2"), prefsrc("10.0.2.100"))),
		add("with a foreign source", create, rowOf("192.0.5.0/24", unicast, universe, via("10.0.2.2"), prefsrc("10.0.9.100"))),
		add("by the interface", create, rowOf("192.0.6.0/24", unicast, linkScope, dev(eth))),
		add("by the interface, echoed", create|unix.NLM_F_ECHO, rowOf("192.0.7.0/24", unicast, linkScope, dev(eth))),
		add("by nothing", create, rowOf("192.0.8.0/24", unicast, linkScope)),
		add("by an interface that is not", create, rowOf("192.0.8.0/24", unicast, linkScope, dev(unknown))),
		add("gateway far away", create, rowOf("192.0.8.0/24", unicast, universe, via("99.0.0.1"))),
		add("gateway far away, on link", create, withFlags(rowOf("192.0.8.0/24", unicast, universe, via("99.0.0.1"), dev(eth)), unix.RTNH_F_ONLINK)),
		add("on link without an interface", create, withFlags(rowOf("192.0.9.0/24", unicast, universe, via("99.0.0.1")), unix.RTNH_F_ONLINK)),
		add("gateway is oneself", create, rowOf("192.0.9.0/24", unicast, universe, via("10.0.2.100"))),
		add("gateway of link scope", create, rowOf("192.0.10.0/24", unicast, linkScope, via("10.0.2.2"))),
		add("bits behind the prefix", create, rowOf("192.0.10.1/24", unicast, linkScope, dev(eth))),
		add("prefix too long", create, bits(rowOf("192.0.10.1/32", unicast, linkScope, dev(eth)), 40)),
		add("blackhole", create, rowOf("192.0.11.0/24", unix.RTN_BLACKHOLE, universe)),
		add("unreachable", create, rowOf("192.0.12.0/24", unix.RTN_UNREACHABLE, universe)),
		add("prohibit", create, rowOf("192.0.13.0/24", unix.RTN_PROHIBIT, universe)),
		add("throw", create, rowOf("192.0.14.0/24", unix.RTN_THROW, universe)),
		add("blackhole by a gateway", create, rowOf("192.0.15.0/24", unix.RTN_BLACKHOLE, universe, via("10.0.2.2"))),
		add("nat", create, rowOf("192.0.15.0/24", unix.RTN_NAT, universe, dev(eth))),
		add("no such type", create, rowOf("192.0.15.0/24", 13, universe, dev(eth))),
		add("unspecified type", create, rowOf("192.0.15.0/24", unix.RTN_UNSPEC, universe, dev(eth))),
		add("dead", create, withFlags(rowOf("192.0.15.0/24", unicast, linkScope, dev(eth)), unix.RTNH_F_DEAD)),
		add("unknown metric", create, rowOf("192.0.15.0/24", unicast, linkScope, dev(eth), attr(unix.RTA_METRICS, attr(40, word(1))))),
		add("gateway too short", create, rowOf("192.0.15.0/24", unicast, universe, attr(unix.RTA_GATEWAY, []byte{1}))),
		add("other table", create, rowOf("192.0.16.0/24", unicast, linkScope, dev(eth), table)),
		add("local", create, local(rowOf("192.0.17.1/32", unix.RTN_LOCAL, unix.RT_SCOPE_HOST, dev(1)))),
		add("short header", create, []byte{unix.AF_INET, 24, 0, 0}),
		del("one of several", anyScope(rowOf("192.0.2.0/24", 0, 0, via("10.0.2.3")))),
		del("the least metric", anyScope(rowOf("192.0.2.0/24", 0, 0))),
		del("of another type", anyScope(rowOf("192.0.11.0/24", unicast, 0))),
		del("blackhole", anyScope(rowOf("192.0.11.0/24", 0, 0))),
		del("of another metric", anyScope(rowOf("192.0.4.0/24", 0, 0, metric(3)))),
		del("of another interface", anyScope(rowOf("192.0.4.0/24", 0, 0, dev(1)))),
		del("not there", anyScope(rowOf("192.0.99.0/24", 0, 0))),
		del("table not there", anyScope(rowOf("192.0.99.0/24", 0, 0, attr(unix.RTA_TABLE, word(77))))),
		del("other table", anyScope(rowOf("192.0.16.0/24", 0, 0, table))),
		del("local", anyScope(local(rowOf("192.0.17.1/32", unix.RTN_LOCAL, 0, dev(1))))),
	}
}

func local(b []byte) []byte { b[rtmTable] = unix.RT_TABLE_LOCAL; return b }

func routeSteps6() []step {
	const unicast = unix.RTN_UNICAST
	add := func(name string, flags int, parts ...[]byte) step {
		return step{name: name, request: setting(unix.RTM_NEWROUTE, flags, parts...)}
	}
	del := func(name string, parts ...[]byte) step {
		return step{name: name, request: setting(unix.RTM_DELROUTE, 0, parts...)}
	}
	return []step{
		add("IPv6 by a gateway", create, rowOf("2001:db8::/64", unicast, 0, via("fd00:2::5"))),
		add("IPv6, the same", create, rowOf("2001:db8::/64", unicast, 0, via("fd00:2::5"))),
		add("IPv6, the same, not excluded", unix.NLM_F_CREATE, rowOf("2001:db8::/64", unicast, 0, via("fd00:2::5"))),
		add("IPv6, other metric", create, rowOf("2001:db8::/64", unicast, 0, via("fd00:2::5"), metric(5))),
		add("IPv6, replaced", replace, rowOf("2001:db8::/64", unicast, 0, via("fd00:2::6"), metric(5))),
		add("IPv6, changed, not there", unix.NLM_F_REPLACE, rowOf("2001:db8:1::/64", unicast, 0, via("fd00:2::6"))),
		add("IPv6, neither created nor there", 0, rowOf("2001:db8:2::/64", unicast, 0, via("fd00:2::6"))),
		add("IPv6, echoed", create|unix.NLM_F_ECHO, rowOf("2001:db8:3::/64", unicast, 0, dev(eth))),
		add("IPv6, link-local gateway", create, rowOf("2001:db8:4::/64", unicast, 0, via("fe80::1"), dev(eth))),
		add("IPv6, gateway far away", create, rowOf("2001:db8:5::/64", unicast, 0, via("2001:9::1"))),
		add("IPv6, gateway is oneself", create, rowOf("2001:db8:5::/64", unicast, 0, via("fd00:2::64"))),
		add("IPv6, gateway is a group", create, rowOf("2001:db8:5::/64", unicast, 0, via("ff02::1"), dev(eth))),
		add("IPv6 by nothing", create, rowOf("2001:db8:5::/64", unicast, 0)),
		add("IPv6 by an interface that is not", create, rowOf("2001:db8:5::/64", unicast, 0, dev(unknown))),
		add("IPv6, foreign source", create, rowOf("2001:db8:5::/64", unicast, 0, dev(eth), prefsrc("2001:db8::77"))),
		add("IPv6, own source", create, rowOf("2001:db8:6::/64", unicast, 0, dev(eth), prefsrc("fd00:2::64"))),
		add("IPv6 unreachable", create, rowOf("2001:db8:7::/64", unix.RTN_UNREACHABLE, 0)),
		add("IPv6 blackhole", create, rowOf("2001:db8:8::/64", unix.RTN_BLACKHOLE, 0)),
		add("IPv6 prohibit", create, rowOf("2001:db8:9::/64", unix.RTN_PROHIBIT, 0)),
		add("IPv6, bits behind the prefix", create, rowOf("2001:db8:a::1/64", unicast, 0, dev(eth))),
		add("IPv6 prefix too long", create, bits(rowOf("2001:db8:b::/64", unicast, 0, dev(eth)), 129)),
		add("IPv6 host", create, rowOf("2001:db8:c::1/128", unicast, 0, dev(eth))),
		del("IPv6, the least metric", rowOf("2001:db8::/64", 0, 0)),
		del("IPv6, other gateway", rowOf("2001:db8::/64", 0, 0, via("fd00:2::9"))),
		del("IPv6", rowOf("2001:db8::/64", 0, 0, via("fd00:2::5"))),
		del("IPv6, not there", rowOf("2001:db8::/64", 0, 0)),
		del("IPv6, table not there", rowOf("2001:db8::/64", 0, 0, attr(unix.RTA_TABLE, word(77)))),
	}
}

func linkSteps() []step {
	set := func(name string, parts ...[]byte) step {
		return step{name: name, request: setting(unix.RTM_NEWLINK, 0, parts...)}
	}
	settles := func(s step) step { s.settles = true; return s }
	const up = unix.IFF_UP
	return []step{
		set("MTU", ifinfo(eth, 0, 0, attr(unix.IFLA_MTU, word(1400)))),
		set("the same MTU", ifinfo(eth, 0, 0, attr(unix.IFLA_MTU, word(1400)))),
		set("MTU too small", ifinfo(eth, 0, 0, attr(unix.IFLA_MTU, word(60)))),
		set("MTU too large", ifinfo(eth, 0, 0, attr(unix.IFLA_MTU, word(70000)))),
		set("queue length", ifinfo(eth, 0, 0, attr(unix.IFLA_TXQLEN, word(500)))),
		set("promiscuous", ifinfo(eth, unix.IFF_PROMISC, unix.IFF_PROMISC)),
		set("not promiscuous", ifinfo(eth, 0, unix.IFF_PROMISC)),
		set("all groups", ifinfo(eth, unix.IFF_ALLMULTI, unix.IFF_ALLMULTI)),
		set("not all groups", ifinfo(eth, 0, unix.IFF_ALLMULTI)),
		set("alias", ifinfo(eth, 0, 0, attr(unix.IFLA_IFALIAS, []byte("outside")))),
		set("group", ifinfo(eth, 0, 0, attr(unix.IFLA_GROUP, word(5)))),
		set("name", ifinfo(eth, 0, 0, attr(unix.IFLA_IFNAME, []byte("wan\x00")))),
		set("name back", ifinfo(eth, 0, 0, attr(unix.IFLA_IFNAME, []byte("eth0\x00")))),
		set("name that is taken", ifinfo(eth, 0, 0, attr(unix.IFLA_IFNAME, []byte("lo\x00")))),
		set("name with a slash", ifinfo(eth, 0, 0, attr(unix.IFLA_IFNAME, []byte("a/b\x00")))),
		set("link that is not", ifinfo(unknown, up, up)),
		set("link of no name", ifinfo(0, up, up)),
		set("hardware address", ifinfo(eth, 0, 0, attr(unix.IFLA_ADDRESS, []byte{2, 2, 2, 2, 2, 2}))),
		set("hardware address of a group", ifinfo(eth, 0, 0, attr(unix.IFLA_ADDRESS, []byte{1, 2, 2, 2, 2, 2}))),
		set("hardware address too short", ifinfo(eth, 0, 0, attr(unix.IFLA_ADDRESS, []byte{2, 2, 2}))),
		settles(set("down", ifinfo(eth, 0, up))),
		set("down again", ifinfo(eth, 0, up)),
		{name: "route by a link that is down", request: setting(unix.RTM_NEWROUTE, create, rowOf("192.0.6.0/24", 1, 253, dev(eth)))},
		{name: "IPv6 route by a link that is down", request: setting(unix.RTM_NEWROUTE, create, rowOf("2001:db8::/64", 1, 0, dev(eth)))},
		{name: "address of a link that is down", request: setting(unix.RTM_NEWADDR, create, ifaddr(eth, "10.9.0.1/24", 0))},
		settles(set("up", ifinfo(eth, up, up))),
		set("MTU below IPv6's", ifinfo(eth, 0, 0, attr(unix.IFLA_MTU, word(1000)))),
		{name: "IPv6 address without IPv6", request: setting(unix.RTM_NEWADDR, create, ifaddr(eth, "fd00:5::1/64", unix.IFA_F_NODAD))},
		settles(set("MTU above it", ifinfo(eth, 0, 0, attr(unix.IFLA_MTU, word(1500))))),
		{name: "lo goes down", request: setting(unix.RTM_NEWLINK, 0, ifinfo(1, 0, up))},
		{name: "lo comes up", request: setting(unix.RTM_NEWLINK, 0, ifinfo(1, up, up))},
		{name: "new link that is there", request: setting(unix.RTM_NEWLINK, create, ifinfo(0, 0, 0, attr(unix.IFLA_IFNAME, []byte("eth0\x00"))))},
		{name: "new link of no kind", request: setting(unix.RTM_NEWLINK, create, ifinfo(0, 0, 0, attr(unix.IFLA_IFNAME, []byte("x0\x00")),
			attr(unix.IFLA_LINKINFO, attr(unix.IFLA_INFO_KIND, []byte("nix\x00")))))},
		{name: "lo is deleted", request: setting(unix.RTM_DELLINK, 0, ifinfo(1, 0, 0))},
		{name: "no link is deleted", request: setting(unix.RTM_DELLINK, 0, ifinfo(unknown, 0, 0))},
		{name: "set by RTM_SETLINK", request: setting(unix.RTM_SETLINK, 0, ifinfo(0, 0, 0, attr(unix.IFLA_IFNAME, []byte("eth0\x00")), attr(unix.IFLA_MTU, word(1300))))},
	}
}

// changeDifferences are where changes differ.
var changeDifferences = []difference{
	{"", "21/6", aging},
	{"", "2/2", "NLMSGERR_ATTR_OFFS"}, {"", "2/4", "NLMSGERR_ATTR_POLICY"},
	{"", "16/47", veth}, {"up, notified", "header", veth}, {"up, notified", "16/16", veth},
	{"up, notified", "flags", peers}, {"MTU above it, notified", "flags", peers},
	{"MTU below IPv6's, notified", "16/26/10/7", stops}, {"MTU below IPv6's, notified", "16/26/10/8", stops},
}

const (
	peers = "the kernel has a row for ff00::/8 already, that of the far end of eth0"
	stops = "the kernel tells of the MTU before it stops IPv6 for it"
)

// allGroups are those of what a Server tells.
var allGroups = []int{groupLink, groupIPv4IfAddr, groupIPv4Route, groupIPv6IfAddr, groupIPv6Route, groupIPv6IfInfo}

// listener is a socket that hears notifications.
type listener interface {
	// heard are the notifications since the last call; at least least of them
	// if they come within a time, foreign ones not counted.
	heard(t *testing.T, least int, requester uint32) []decoded
}

// serverListener listens to a Server.
type serverListener struct{ notifications [][]byte }

func (l *serverListener) heard(t *testing.T, _ int, requester uint32) []decoded {
	var all []decoded
	for _, b := range l.notifications {
		all = append(all, decodeEvents(t, b, requester)...)
	}
	l.notifications = nil
	return all
}

// kernelListener listens to the kernel.
type kernelListener struct{ *kernelPeer }

// quiet is how long nothing more must come from the kernel: what it does in
// workers of its own (IPv6 addresses) takes some milliseconds.
const quiet = 30 * time.Millisecond

func (l kernelListener) heard(t *testing.T, least int, requester uint32) []decoded {
	t.Helper()
	var all []decoded
	for deadline := time.Now().Add(receiveTimeout); ; {
		buf := make([]byte, 1<<16)
		n, _, err := unix.Recvfrom(l.fd, buf, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			all = append(all, slices.DeleteFunc(decodeEvents(t, buf[:n], requester), foreignEvent)...)
			continue
		case !errors.Is(err, unix.EAGAIN):
			t.Fatal(err)
		}
		wait := unix.PollFd{Fd: int32(l.fd), Events: unix.POLLIN}
		if n, _ := unix.Poll([]unix.PollFd{wait}, int(quiet.Milliseconds())); n == 0 && (len(all) >= least || time.Now().After(deadline)) {
			return all
		}
	}
}

// decodeEvents takes notifications apart; "by" says whether they name the
// requester.
func decodeEvents(t *testing.T, b []byte, requester uint32) []decoded {
	t.Helper()
	var all []decoded
	for len(b) >= unix.NLMSG_HDRLEN {
		length := int(binary.NativeEndian.Uint32(b))
		var m nl.Message
		if err := m.UnmarshalBinary(padded(b[:length])); err != nil {
			t.Fatal(err)
		}
		d := decodeSized(t, m, eventSizes)
		d.attrs = append(d.attrs, attribute{"by", fmt.Sprint(m.Header.PID == requester, m.Header.Sequence == 7)})
		all = append(all, d)
		b = b[min(align(length), len(b)):]
	}
	return all
}

// eventSizes are the headers of notifications: those of rows, deleted or not.
var eventSizes = func() map[uint16]int {
	sizes := map[uint16]int{}
	for typ, size := range headerSizes {
		sizes[typ], sizes[typ+1] = size, size
	}
	return sizes
}()

// foreignEvent says whether a notification is of what the server has not, or
// is told by other tests.
func foreignEvent(d decoded) bool {
	row := d
	if row.typ&kindMask == kindDelete {
		row.typ--
	}
	return foreign(row) || row.typ == unix.RTM_NEWNEIGH || row.typ == unix.RTM_NEWNETCONF
}

// TestChangesAsLinux makes the same changes in a kernel's namespace and on a
// server: answers, notifications and tables are the same.
func TestChangesAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/eth0/router_solicitations", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	host := sandbox(t)
	server := NewServer(host)
	ears := [2]listener{listenKernel(t), listenServer(t, server)}
	ours := echoed{openServerOf(t, server, unix.NETLINK_ROUTE), new([][]byte)}
	ours.conn.Privileged = func() bool { return true }
	ours.conn.Deliver = func(b []byte, _ int) { *ours.echoes = append(*ours.echoes, b) }
	peers := [2]peer{openKernel(t), ours}
	for _, p := range peers {
		p.set(t, unix.NETLINK_EXT_ACK)
	}
	seen := map[difference]bool{}
	for _, s := range slices.Concat(addressSteps(), routeSteps(), routeSteps6(), linkSteps()) {
		takeStep(t, s, peers, ears, seen)
	}
	for _, d := range changeDifferences {
		if !seen[d] {
			t.Errorf("listed, but not seen: %+v", d)
		}
	}
}

// echoed is a socket of the server that gets echoes.
type echoed struct {
	serverPeer
	echoes *[][]byte
}

func (e echoed) ask(t testing.TB, request []byte) ([][]byte, uint32) {
	t.Helper()
	answers, port := e.serverPeer.ask(t, request)
	answers = append(*e.echoes, answers...)
	*e.echoes = nil
	return answers, port
}

func takeStep(t *testing.T, s step, peers [2]peer, ears [2]listener, seen map[difference]bool) {
	t.Helper()
	var answers, events [2][]decoded
	for i := len(peers) - 1; i >= 0; i-- { // the server first: it says how much there is to hear
		datagrams, port := peers[i].ask(t, s.request)
		answers[i] = decode(t, datagrams, port, 7)
		if s.settles {
			peers[i].ask(t, linkQuestion)
		}
		events[i] = ears[i].heard(t, len(events[1]), port)
		if s.settles {
			events[i] = slices.DeleteFunc(events[i], settled)
		}
	}
	compare(t, s.name+", the answer", answers[0], answers[1], seen)
	compare(t, s.name+", notified", events[0], events[1], seen)
	for _, typ := range []int{unix.RTM_GETADDR, unix.RTM_GETROUTE} {
		var tables [2][]decoded
		for i, p := range peers {
			datagrams, port := p.ask(t, message(typ, dumping, []byte{0}))
			tables[i] = decode(t, datagrams, port, 7)
		}
		compare(t, s.name+", "+typeName(uint16(typ)), slices.DeleteFunc(tables[0], foreign), tables[1], seen)
	}
}

// linkQuestion asks for eth0. Before it answers, the kernel does what it has put
// off of a change of the link's state (linkwatch_sync_dev): up to a second, as long
// as links change anywhere on the machine.
var linkQuestion = message(unix.RTM_GETLINK, get, ifinfo(eth, 0, 0))

// settled says whether a notification tells of a link without a change.
func settled(d decoded) bool {
	return d.typ == unix.RTM_NEWLINK && d.header[len(d.header)-8:] == "00000000"
}

func listenServer(t *testing.T, server *Server) *serverListener {
	l := &serverListener{}
	p := openServerOf(t, server, unix.NETLINK_ROUTE)
	p.conn.Deliver = func(b []byte, _ int) { l.notifications = append(l.notifications, b) }
	for _, g := range allGroups {
		if errno := p.conn.SetOption(unix.NETLINK_ADD_MEMBERSHIP, word(uint32(g))); errno != 0 {
			t.Fatal(errno)
		}
	}
	return l
}

func listenKernel(t *testing.T) kernelListener {
	k := openKernel(t)
	for _, g := range allGroups {
		if err := unix.SetsockoptInt(k.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			t.Fatal(err)
		}
	}
	return kernelListener{k}
}
