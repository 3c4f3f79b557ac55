package procfs

import (
	"encoding/hex"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// devFile is /proc/net/dev (dev_seq_printf_stats, net/core/net-procfs.c).
func devFile(s Source) []byte {
	var f file
	f.line("Inter-|   Receive                                                |  Transmit")
	f.line(" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed")
	for _, i := range s.Interfaces() {
		st := i.Stats
		f.line("%6s: %7d %7d %4d %4d %4d %5d %10d %9d %8d %7d %4d %4d %4d %5d %7d %10d", i.Name,
			st.RxBytes, st.RxPackets, st.RxErrors, st.RxDropped, 0, 0, 0, 0,
			st.TxBytes, st.TxPackets, st.TxErrors, st.TxDropped, 0, 0, 0, 0)
	}
	return f.Bytes()
}

// addresses6 is /proc/net/if_inet6 (if6_seq_show, net/ipv6/addrconf.c).
func addresses6(s Source) []byte {
	var f file
	for _, i := range s.Interfaces() {
		for _, p := range i.Addrs {
			if p.Addr().Is4() {
				continue
			}
			f.line("%s %02x %02x %02x %02x %8s", hex16(p.Addr()), i.Index, p.Bits(), scope6(p.Scope), uint8(p.Flags), i.Name)
		}
	}
	return f.Bytes()
}

// scope6 is IPV6_ADDR_SCOPE_MASK (<net/ipv6.h>) of an RT_SCOPE_*.
func scope6(scope uint8) int {
	switch scope {
	case unix.RT_SCOPE_HOST:
		return 0x10
	case unix.RT_SCOPE_LINK:
		return 0x20
	}
	return 0
}

func hex16(a netip.Addr) string {
	if !a.IsValid() {
		a = netip.IPv6Unspecified()
	}
	b := a.As16()
	return hex.EncodeToString(b[:])
}

// member is a group that an interface is in, with what igmp6 tells of it.
type member struct {
	addr  netip.Addr
	users int
	flags uint32 // MAF_* of <net/if_inet6.h>
}

// Of the groups that Linux joins by itself, MAF_LOADED and MAF_NOREPORT are
// set; of others MAF_LAST_REPORTER is as good as any.
const (
	mafLastReporter = 0x04
	mafNoReport     = 0x08
)

// members are the groups of one IP version: those that sockets have joined,
// the latest first, the solicited-node groups of the addresses, and those of
// all nodes.
func members(s Source, i stack.Interface, is4 bool) []member {
	var all []member
	add := func(a netip.Addr, users int, flags uint32) {
		for k := range all {
			if all[k].addr == a {
				all[k].users += users
				return
			}
		}
		all = append(all, member{a, users, flags})
	}
	for _, g := range s.Groups() {
		if g.NIC == i.Index && g.Addr.Is4() == is4 {
			add(g.Addr, g.Users, mafLastReporter)
		}
	}
	if is4 {
		add(netip.AddrFrom4([4]byte{224, 0, 0, 1}), 1, 0)
		return all
	}
	for _, p := range i.Addrs {
		if !p.Addr().Is4() && !i.Loopback {
			add(solicited(p.Addr()), 1, mafLastReporter)
		}
	}
	add(netip.IPv6LinkLocalAllNodes(), 1, mafLastReporter|mafNoReport)
	add(netip.AddrFrom16([16]byte{0: 0xff, 1: 0x01, 15: 1}), 1, mafNoReport)
	return all
}

// solicited is the solicited-node group of an address (RFC 4291, 2.7.1).
func solicited(a netip.Addr) netip.Addr {
	b := a.As16()
	group := [16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff}
	copy(group[13:], b[13:])
	return netip.AddrFrom16(group)
}

// igmp is /proc/net/igmp (igmp_mc_seq_show, net/ipv4/igmp.c).
func igmp(s Source) []byte {
	var f file
	f.line("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter")
	for _, i := range s.Interfaces() {
		all := members(s, i, true)
		f.line("%d\t%-10s: %5d %7s", i.Index, i.Name, len(all), "V3")
		for _, m := range all {
			f.line("\t\t\t\t%08X %5d %d:%08X\t\t%d", word(m.addr), m.users, 0, 0, 0)
		}
	}
	return f.Bytes()
}

// igmp6 is /proc/net/igmp6 (igmp6_mc_seq_show, net/ipv6/mcast.c).
func igmp6(s Source) []byte {
	var f file
	for _, i := range s.Interfaces() {
		for _, m := range members(s, i, false) {
			f.line("%-4d %-15s %s %5d %08X %d", i.Index, i.Name, hex16(m.addr), m.users, m.flags, 0)
		}
	}
	return f.Bytes()
}

// devMulticast is /proc/net/dev_mcast (dev_mc_seq_show,
// net/core/net-procfs.c): the groups' link-layer addresses (RFC 1112, 6.4; RFC
// 2464, 7), of interfaces that have such.
func devMulticast(s Source) []byte {
	var f file
	for _, i := range s.Interfaces() {
		if i.Loopback {
			continue
		}
		// The oldest first: Linux joins the groups of all nodes when an
		// interface comes up, those of its addresses after that.
		all := append(members(s, i, true), members(s, i, false)...)
		slices.Reverse(all)
		var order []string
		for _, m := range all {
			if mac := groupMAC(m.addr); !slices.Contains(order, mac) {
				order = append(order, mac)
			}
		}
		for _, mac := range order {
			f.line("%-4d %-15s %-5d %-5d %s", i.Index, i.Name, 1, 0, mac)
		}
	}
	return f.Bytes()
}

func groupMAC(a netip.Addr) string {
	if a.Is4() {
		b := a.As4()
		return hex.EncodeToString([]byte{1, 0, 0x5e, b[1] & 0x7f, b[2], b[3]})
	}
	b := a.As16()
	return "3333" + hex.EncodeToString(b[12:])
}
