package stack

import (
	"math"
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
	Kind         string // of a virtual device, as IFLA_INFO_KIND has it; "": lo, eth0
	Loopback, Up bool
	Flags        uint32 // IFF_*, but for those that say that it is up
	MTU          int    // bytes
	TxQueueLen   int    // packets
	Group        uint32
	Alias        string
	HardwareAddr [6]byte
	Addrs        []Address
	Stats        InterfaceStats
}

// Address is one address of an interface with the length of its network.
type Address struct {
	netip.Prefix
	Peer      netip.Addr // the far end's, whose network it is then; invalid: none
	Broadcast netip.Addr // IPv4; invalid: none
	Label     string     // IPv4
	Scope     uint8      // RT_SCOPE_*
	Flags     uint32     // IFA_F_*
	Protocol  uint8      // IFAPROT_*
	Metric    uint32     // of the route to its network; 0: the family's default
	Valid     uint32     // lifetime in seconds; Forever
	Preferred uint32     // the same
}

// Forever is the lifetime of an address that does not end (INFINITY_LIFE_TIME).
const Forever = math.MaxUint32

// Network is the network that the address is in.
func (a Address) Network() netip.Prefix {
	if a.Peer.IsValid() {
		return netip.PrefixFrom(a.Peer, a.Bits()).Masked()
	}
	return a.Masked()
}

// Route is one row of a routing table as ip route would show it.
type Route struct {
	Table    uint32 // RT_TABLE_*
	Dst      netip.Prefix
	TOS      uint8
	Metric   uint32
	Type     uint8              // RTN_*
	Scope    uint8              // RT_SCOPE_*
	Protocol uint8              // RTPROT_*
	Gateway  netip.Addr         // invalid: on link
	NIC      int32              // 0: the row refuses (RTN_BLACKHOLE and its like)
	Src      netip.Addr         // preferred source; invalid: none
	Flags    uint32             // RTNH_F_*
	Metrics  [numMetrics]uint32 // by RTAX_*, 0: not set
}

// numMetrics is RTAX_MAX+1 (<linux/rtnetlink.h>).
const numMetrics = 18

// device is what an interface has on Linux beyond what netstack keeps of it.
type device struct {
	kind, alias string
	flags       uint32
	mtu         int
	txQueueLen  int
	group       uint32
	addrs       []Address
}

// Interfaces lists the host's interfaces, by index.
func (s *Stack) Interfaces() []Interface {
	s.confMu.RLock()
	defer s.confMu.RUnlock()
	var is []Interface
	for id, info := range s.net.NICInfo() {
		if d, ok := s.devices[int32(id)]; ok {
			is = append(is, s.describe(int32(id), info, d))
		}
	}
	slices.SortFunc(is, func(a, b Interface) int { return int(a.Index - b.Index) })
	return is
}

func (s *Stack) describe(id int32, info stack.NICInfo, d *device) Interface {
	i := Interface{
		Index:      id,
		Name:       info.Name,
		Kind:       d.kind,
		Loopback:   info.Flags.Loopback,
		Up:         info.Flags.Up && info.Flags.Running,
		Flags:      d.flags,
		MTU:        d.mtu,
		TxQueueLen: d.txQueueLen,
		Group:      d.group,
		Alias:      d.alias,
		Addrs:      slices.Clone(d.addrs),
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
	if id == Ethernet {
		s.pastEthernet.addTo(&i.Stats)
		if s.link != nil {
			i.Stats.TxDropped = s.link.Stats().TxDropped
		}
	}
	if i.Loopback {
		// Packets to own addresses skip netstack's loopback device, so it
		// counts none of them; what lo received it had sent.
		i.Stats.TxBytes, i.Stats.TxPackets = i.Stats.RxBytes, i.Stats.RxPackets
		s.pastLoopback.addTo(&i.Stats)
	}
	return i
}

// Routes lists the rows of all routing tables; of those with the same table,
// destination, TOS and metric the first is used.
func (s *Stack) Routes() []Route {
	s.confMu.RLock()
	defer s.confMu.RUnlock()
	return slices.Clone(s.routes)
}

// hasInterface says whether an interface index exists.
func (s *Stack) hasInterface(id int32) bool { return s.net.HasNIC(tcpip.NICID(id)) }
