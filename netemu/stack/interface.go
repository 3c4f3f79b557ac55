package stack

import (
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// InterfaceStats counts as struct rtnl_link_stats64 does.
type InterfaceStats struct {
	RxBytes, RxPackets, TxBytes, TxPackets   uint64
	RxErrors, TxErrors, RxDropped, TxDropped uint64
}

// Interface is one network interface as ip address would show it.
type Interface struct {
	Index        int32
	Name         string
	Loopback, Up bool
	MTU          int // bytes
	HardwareAddr [6]byte
	Addrs        []netip.Prefix
	Stats        InterfaceStats
}

// Route is one row of the main routing table as ip route would show it.
type Route struct {
	Dst     netip.Prefix
	Gateway netip.Addr // invalid: on link
	NIC     int32
	Src     netip.Addr // preferred source; invalid: none
}

// Interfaces lists lo and, with a link, eth0, by index.
func (s *Stack) Interfaces() []Interface {
	var is []Interface
	for id, info := range s.net.NICInfo() {
		is = append(is, s.describe(int32(id), info))
	}
	slices.SortFunc(is, func(a, b Interface) int { return int(a.Index - b.Index) })
	return is
}

func (s *Stack) describe(id int32, info stack.NICInfo) Interface {
	i := Interface{
		Index:    id,
		Name:     info.Name,
		Loopback: info.Flags.Loopback,
		Up:       info.Flags.Up && info.Flags.Running,
		MTU:      int(info.MTU),
		Stats: InterfaceStats{
			RxBytes:   info.Stats.Rx.Bytes.Value(),
			RxPackets: info.Stats.Rx.Packets.Value(),
			TxBytes:   info.Stats.Tx.Bytes.Value(),
			TxPackets: info.Stats.Tx.Packets.Value(),
			RxErrors:  info.Stats.MalformedL4RcvdPackets.Value(),
			RxDropped: info.Stats.DisabledRx.Packets.Value(),
		},
	}
	copy(i.HardwareAddr[:], info.LinkAddress)
	for _, pa := range info.ProtocolAddresses {
		i.Addrs = append(i.Addrs, netip.PrefixFrom(toAddr(pa.AddressWithPrefix.Address), pa.AddressWithPrefix.PrefixLen))
	}
	if id == Ethernet && s.link != nil {
		i.Stats.TxDropped = s.link.Stats().TxDropped
	}
	if i.Loopback {
		// Packets to own addresses skip netstack's loopback device, so it
		// counts none of them; what lo received it had sent.
		i.Stats.TxBytes, i.Stats.TxPackets = i.Stats.RxBytes, i.Stats.RxPackets
	}
	return i
}

// Routes lists the main routing table: link routes, then default routes.
func (s *Stack) Routes() []Route { return slices.Clone(s.routes) }

// hasInterface says whether an interface index exists.
func (s *Stack) hasInterface(id int32) bool { return s.net.HasNIC(tcpip.NICID(id)) }
