package netlink

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Requests without NLM_F_DUMP name one socket, as a packet for it would.

// findTCP finds the connection from src to dst, or the listener on src
// (inet_diag_find_one_icsk).
func (r *inetRequest) findTCP(all []Socket) *Socket {
	for i := range all {
		s := &all[i]
		if s.State != stateListen && s.State != StateBoundInactive && r.onDevice(s) &&
			samePoint(s.Local, r.src) && samePoint(s.Remote, r.dst) {
			return s
		}
	}
	return best(all, func(s *Socket) int {
		if s.State != stateListen {
			return 0
		}
		return r.score(s, r.src)
	})
}

// findUDP finds the socket that a datagram from src to dst would reach
// (udp_dump_one: here the names are the sender's).
func (r *inetRequest) findUDP(all []Socket) *Socket {
	return best(all, func(s *Socket) int {
		score := r.score(s, r.dst)
		if score == 0 || s.State != stateEstablished {
			return score
		}
		if !samePoint(s.Remote, r.src) {
			return 0
		}
		return score + scoreConnected
	})
}

// findRaw finds the socket of a protocol between src and dst (raw_lookup).
func (r *inetRequest) findRaw(all []Socket) *Socket {
	for i := range all {
		s := &all[i]
		if s.Family == r.family && s.Protocol == r.rawProtocol && r.onDevice(s) &&
			(wild(s.Local.Addr()) || s.Local.Addr() == r.src.Addr()) &&
			(wild(s.Remote.Addr()) || s.Remote.Addr() == r.dst.Addr()) {
			return s
		}
	}
	return nil
}

// What makes one socket a better match than another: an address of its own,
// and more than that a peer of its own.
const (
	scorePort      = 1
	scoreAddress   = 2
	scoreConnected = 4
)

// score says how well a socket's own address fits a destination: 0 not at all.
func (r *inetRequest) score(s *Socket, to netip.AddrPort) int {
	addr := to.Addr().Unmap()
	switch {
	case s.Local.Port() != to.Port() || !r.onDevice(s):
		return 0
	case s.Family == unix.AF_INET6 && s.V6Only && addr.Is4(), s.Family == unix.AF_INET && addr.Is6():
		return 0
	case wild(s.Local.Addr()):
		return scorePort
	case s.Local.Addr().Unmap() == addr:
		return scorePort + scoreAddress
	}
	return 0
}

func (r *inetRequest) onDevice(s *Socket) bool {
	return s.Interface == 0 || s.Interface == r.iface
}

// best is the socket with the highest score above 0, the first of several.
func best(all []Socket, score func(*Socket) int) *Socket {
	var found *Socket
	most := 0
	for i := range all {
		if n := score(&all[i]); n > most {
			found, most = &all[i], n
		}
	}
	return found
}

func samePoint(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Unmap() == b.Addr().Unmap()
}

// wild says whether a is the wildcard.
func wild(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }
