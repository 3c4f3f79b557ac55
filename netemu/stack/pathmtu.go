package stack

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

const (
	// pathMTULife is net.ipv4.route.mtu_expires and net.ipv6.route.mtu_expires.
	pathMTULife = 10 * time.Minute
	// leastPathMTU4 is net.ipv4.route.min_pmtu; IPv6 has its own least MTU
	// (RFC 8200 section 5).
	leastPathMTU4 = 552
	// maxPathMTUs bounds the destinations. Linux has room for 2048 next-hop
	// exceptions of four entries each (fnhe_hash); a program that meets as many
	// narrow paths at once is a test.
	maxPathMTUs = 8192
)

// pathMTUs is what ICMP has told of the paths to destinations (RFC 1191, RFC
// 8201). Only datagrams look at it: netstack's TCP ends at the gateway, whose
// own packets meet the path.
type pathMTUs struct {
	mu sync.Mutex // a leaf
	to map[netip.Addr]pathMTU
}

type pathMTU struct {
	mtu   int // bytes, IP header included
	until time.Time
}

// learn takes what a router said of the way to dst. A larger MTU than the one
// that is known is old news, and 0 is none (RFC 1191 section 5).
func (t *pathMTUs) learn(dst netip.Addr, mtu int, now time.Time) {
	least := header.IPv6MinimumMTU
	if dst.Is4() {
		least = leastPathMTU4
	}
	if mtu == 0 {
		return
	}
	mtu = max(mtu, least)
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.to[dst]; ok && now.Before(old.until) && old.mtu < mtu {
		return
	}
	if t.to == nil {
		t.to = map[netip.Addr]pathMTU{}
	}
	if len(t.to) >= maxPathMTUs {
		clear(t.to) // what is still true is told again
	}
	t.to[dst] = pathMTU{mtu, now.Add(pathMTULife)}
}

// find is the MTU of the path to dst; 0: nothing is known.
func (t *pathMTUs) find(dst netip.Addr, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.to[dst]
	if !ok {
		return 0
	}
	if now.After(p.until) {
		delete(t.to, dst)
		return 0
	}
	return p.mtu
}

// PathMTU is what IP_MTU and IPV6_MTU tell of a connected socket: the MTU of
// the path as far as it is known, else of the interface; 0 without a route.
func (s *Stack) PathMTU(dst netip.Addr) int {
	dst = dst.Unmap()
	mtu := s.MTUTowards(dst)
	if known := s.paths.find(dst, time.Now()); known != 0 {
		return min(mtu, known)
	}
	return mtu
}

// TooBig is the MTU that keeps n bytes behind the IP header from being sent to
// dst unfragmented, where IP_MTU_DISCOVER asks for that; 0 when they may leave.
func (e *Endpoint) TooBig(n int, dst netip.Addr) int {
	e.mu.Lock()
	disc := e.mtuDisc
	e.mu.Unlock()
	if mayFragment(disc) || !dst.IsValid() {
		return 0
	}
	mtu := e.mtuFor(dst)
	if n+ipHeader(dst.Unmap().Is4()) <= mtu {
		return 0
	}
	return mtu
}

// mtuFor is the MTU that counts for the socket: the path's, or the interface's
// for those that do not trust what routers say (ip_sk_use_pmtu).
func (e *Endpoint) mtuFor(dst netip.Addr) int {
	e.mu.Lock()
	disc := e.mtuDisc
	e.mu.Unlock()
	if disc < unix.IP_PMTUDISC_PROBE {
		return e.s.PathMTU(dst)
	}
	return e.s.MTUTowards(dst)
}

// ipHeader is the size of an IP header without options.
func ipHeader(v4 bool) int {
	if v4 {
		return header.IPv4MinimumSize
	}
	return header.IPv6MinimumSize
}
