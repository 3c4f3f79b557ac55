package stack

import (
	"net/netip"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// facts are an interface as a tap needs it.
type facts struct {
	loopback bool
	hardware [6]byte
	own      []netip.Addr
	// broadcasts are the addresses that everybody on the link listens to.
	broadcasts []netip.Addr
}

// noteFactsLocked makes the facts anew, after a change of the configuration.
//
// Preconditions: s.confMu is locked.
func (s *Stack) noteFactsLocked() {
	all := map[int32]facts{}
	for id, d := range s.devices {
		info, ok := s.net.SingleNICInfo(tcpip.NICID(id))
		if !ok {
			continue
		}
		f := facts{loopback: info.Flags.Loopback, broadcasts: []netip.Addr{netip.AddrFrom4([4]byte{255, 255, 255, 255})}}
		copy(f.hardware[:], info.LinkAddress)
		for _, a := range d.addrs {
			f.own = append(f.own, a.Addr())
			if a.Broadcast.IsValid() {
				f.broadcasts = append(f.broadcasts, a.Broadcast)
			}
		}
		all[id] = f
	}
	s.facts.Store(&all)
}

// factsOf are the facts of an interface, nothing if it is not there.
func (s *Stack) factsOf(nic int32) facts {
	if all := s.facts.Load(); all != nil {
		return (*all)[nic]
	}
	return facts{}
}

// ownFact says whether ip is an address of the host.
func (s *Stack) ownFact(ip netip.Addr) bool {
	all := s.facts.Load()
	if all == nil {
		return false
	}
	for _, f := range *all {
		if slices.Contains(f.own, ip) {
			return true
		}
	}
	return false
}
