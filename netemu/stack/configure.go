package stack

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netbox/netemu/link"
)

// SetAddresses makes list the addresses of interface nic. Netstack has each
// address once, whatever the networks it is listed with.
func (s *Stack) SetAddresses(nic int32, list []Address) unix.Errno {
	s.confMu.Lock()
	defer s.confMu.Unlock()
	d, ok := s.devices[nic]
	if !ok {
		return unix.ENODEV
	}
	defer s.noteFactsLocked()
	old, wanted := byAddr(d.addrs), byAddr(list)
	for ip, p := range old {
		if wanted[ip] != p {
			if err := s.net.RemoveAddress(tcpip.NICID(nic), fromAddr(ip)); err != nil {
				return errno(err)
			}
		}
	}
	d.addrs = slices.Clone(list)
	for _, a := range list {
		ip := a.Addr()
		p, isNew := wanted[ip]
		if !isNew || old[ip] == p {
			continue
		}
		delete(wanted, ip)
		pa := tcpip.ProtocolAddress{
			Protocol:          netProto(ip),
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: fromAddr(ip), PrefixLen: p.Bits()},
		}
		if err := s.net.AddProtocolAddress(tcpip.NICID(nic), pa, stack.AddressProperties{}); err != nil {
			return errno(err)
		}
	}
	return 0
}

// byAddr maps each address to the prefix that netstack has it with: that of
// its first row, or a host's where the network is the far end's.
func byAddr(list []Address) map[netip.Addr]netip.Prefix {
	all := map[netip.Addr]netip.Prefix{}
	for _, a := range list {
		if _, ok := all[a.Addr()]; ok {
			continue
		}
		all[a.Addr()] = a.Prefix
		if a.Peer.IsValid() {
			all[a.Addr()] = netip.PrefixFrom(a.Addr(), a.Addr().BitLen())
		}
	}
	return all
}

// SetInterface gives the interface i.Index the properties of i but its
// addresses.
func (s *Stack) SetInterface(i Interface) unix.Errno {
	s.confMu.Lock()
	defer s.confMu.Unlock()
	d, ok := s.devices[i.Index]
	if !ok {
		return unix.ENODEV
	}
	defer s.noteFactsLocked()
	d.flags, d.mtu, d.txQueueLen, d.group, d.alias = i.Flags, i.MTU, i.TxQueueLen, i.Group, i.Alias
	id := tcpip.NICID(i.Index)
	info, ok := s.net.SingleNICInfo(id)
	if !ok {
		return unix.ENODEV
	}
	var err tcpip.Error
	if info.Name != i.Name {
		err = s.net.SetNICName(id, i.Name)
	}
	if err == nil && info.LinkAddress != tcpip.LinkAddress(i.HardwareAddr[:]) {
		err = s.net.SetNICAddress(id, tcpip.LinkAddress(i.HardwareAddr[:]))
	}
	if mtu := s.netstackMTU(i.MTU); err == nil && info.MTU != mtu {
		err = s.net.SetNICMTU(id, mtu)
	}
	if err == nil && info.Flags.Running != i.Up {
		if i.Up {
			err = s.net.EnableNIC(id)
		} else {
			err = s.net.DisableNIC(id)
		}
	}
	return errno(err)
}

// netstackMTU is what netstack is told of a host's MTU: not less than IPv6 needs
// (1280 bytes, RFC 8200 section 5), for its MLD reports, for which there is then
// no room, are tried for ever (mldv2ReportBuilder.Send), with the interface's
// lock held. A smaller MTU is that of the IPv4 rows instead.
func (s *Stack) netstackMTU(mtu int) uint32 {
	if s.host {
		mtu = max(mtu, header.IPv6MinimumMTU)
	}
	return uint32(mtu)
}

// routeMTU is the MTU of a row; 0: the interface's.
func (s *Stack) routeMTU(r Route) uint32 {
	mtu := r.Metrics[unix.RTAX_MTU]
	if d, ok := s.devices[r.NIC]; ok && r.Dst.Addr().Is4() && d.mtu < header.IPv6MinimumMTU && (mtu == 0 || mtu > uint32(d.mtu)) {
		mtu = uint32(d.mtu)
	}
	return mtu
}

// SetRoutes makes list the rows of the routing tables.
func (s *Stack) SetRoutes(list []Route) {
	s.confMu.Lock()
	defer s.confMu.Unlock()
	s.routes = slices.Clone(list)
	order := slices.DeleteFunc(slices.Clone(list), func(r Route) bool { return !usedTable(r) })
	slices.SortStableFunc(order, routeOrder)
	refuses := false
	var table []tcpip.Route
	for _, r := range order {
		if r.Refuses() != 0 {
			refuses = true
			continue
		}
		if row, ok := s.netstackRoute(r); ok {
			table = append(table, row)
		}
	}
	s.refuses.Store(refuses)
	if !slices.Equal(table, s.table) {
		s.net.SetRouteTable(table)
		s.table = table
	}
}

// usedTable says whether the default rules lead to a row. A row for one TOS is
// no general way, and netstack has none of a TOS.
func usedTable(r Route) bool {
	return r.TOS == 0 && (r.Table == unix.RT_TABLE_LOCAL || r.Table == unix.RT_TABLE_MAIN || r.Table == unix.RT_TABLE_DEFAULT)
}

// routeOrder is the order in which rows of used tables are looked at: the
// local table, the main one, the default one; the longer prefix; the less
// metric.
func routeOrder(a, b Route) int {
	return cmp.Or(cmp.Compare(b.Table, a.Table), cmp.Compare(b.Dst.Bits(), a.Dst.Bits()), cmp.Compare(a.Metric, b.Metric))
}

// netstackRoute is a row for netstack. It knows the host's own addresses, so
// that of the local table it needs 127.0.0.0/8 and groups only.
func (s *Stack) netstackRoute(r Route) (tcpip.Route, bool) {
	switch r.Type {
	case unix.RTN_UNICAST, unix.RTN_MULTICAST:
	case unix.RTN_LOCAL:
		if r.NIC != Loopback {
			return tcpip.Route{}, false
		}
	default:
		return tcpip.Route{}, false
	}
	src := r.Src
	if !src.IsValid() && r.Dst.Addr().Is4() {
		src = s.sourceFor(r)
	}
	return tcpip.Route{
		Destination: subnet(r.Dst), Gateway: fromAddr(r.Gateway), NIC: tcpip.NICID(r.NIC),
		SourceHint: fromAddr(src), MTU: s.routeMTU(r),
	}, true
}

// sourceFor is the IPv4 address that Linux would send from by row r
// (inet_select_addr): one in a network with the next hop, else the first.
func (s *Stack) sourceFor(r Route) netip.Addr {
	d, ok := s.devices[r.NIC]
	if !ok {
		return netip.Addr{}
	}
	var first netip.Addr
	for _, a := range d.addrs {
		if !a.Addr().Is4() {
			continue
		}
		if r.Gateway.IsValid() && a.Network().Contains(r.Gateway) {
			return a.Addr()
		}
		if !first.IsValid() {
			first = a.Addr()
		}
	}
	return first
}

// Refuses is what a row that leads nowhere makes of a packet (fib_props,
// net/ipv4/fib_semantics.c; ip6_rt_init_dst_reject); 0 for a row that leads
// somewhere.
func (r Route) Refuses() unix.Errno {
	switch r.Type {
	case unix.RTN_BLACKHOLE:
		return unix.EINVAL
	case unix.RTN_UNREACHABLE:
		return unix.EHOSTUNREACH
	case unix.RTN_PROHIBIT:
		return unix.EACCES
	case unix.RTN_THROW:
		return unix.ENETUNREACH
	}
	return 0
}

// refused says whether the routing tables refuse packets to dst: the errno of
// the row that it meets, if that one leads nowhere.
func (s *Stack) refused(dst netip.Addr) unix.Errno {
	dst = dst.Unmap()
	if !s.refuses.Load() || !dst.IsValid() || s.isOwn(dst) {
		return 0
	}
	s.confMu.RLock()
	defer s.confMu.RUnlock()
	for _, table := range []uint32{unix.RT_TABLE_MAIN, unix.RT_TABLE_DEFAULT} {
		best := -1
		for i, r := range s.routes {
			if r.Table == table && usedTable(r) && r.Dst.Contains(dst) && (best < 0 || routeOrder(r, s.routes[best]) < 0) {
				best = i
			}
		}
		if best >= 0 && s.routes[best].Type != unix.RTN_THROW {
			return s.routes[best].Refuses()
		}
	}
	return 0
}

// IsOwn says whether ip is an address of the host.
func (s *Stack) IsOwn(ip netip.Addr) bool { return s.isOwn(ip) }

func (s *Stack) isOwn(ip netip.Addr) bool {
	return s.net.CheckLocalAddress(0, netProto(ip), fromAddr(ip)) != 0
}

// AddDummy makes the interface i, which leads nowhere. EEXIST: there is one with
// that index or name.
func (s *Stack) AddDummy(i Interface) unix.Errno {
	end := link.NewDummy(int(s.netstackMTU(i.MTU)))
	end.SetLinkAddress(tcpip.LinkAddress(i.HardwareAddr[:]))
	if s.hasInterface(i.Index) || s.addNIC(i, end) != nil {
		return unix.EEXIST
	}
	return 0
}

// RemoveInterface ends an interface that AddDummy has made.
func (s *Stack) RemoveInterface(index int32) unix.Errno {
	s.confMu.Lock()
	defer s.confMu.Unlock()
	defer s.noteFactsLocked()
	delete(s.devices, index)
	return errno(s.net.RemoveNIC(tcpip.NICID(index)))
}
