package sim

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"netbox/netemu/dns"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
)

// Internet is a set of hosts, names and unreachable places. It is read-only
// and may be served by several uplinks.
type Internet struct {
	hosts       map[netip.Addr]*host
	unreachable []unreachable // in the order of the file; the first that matches counts
	zone        *dns.Zone
}

// conditions are those of the path to a host.
type conditions struct {
	delay, jitter time.Duration // round trip
	loss          float64       // 0 to 1
}

// wait draws the round-trip time of one packet.
func (c conditions) wait() time.Duration {
	if c.jitter == 0 {
		return c.delay
	}
	return max(0, c.delay-c.jitter+rand.N(2*c.jitter+1))
}

// lost draws whether one packet is lost.
func (c conditions) lost() bool { return c.loss > 0 && rand.Float64() < c.loss }

type host struct {
	conditions
	addrs     []netip.Addr
	echo, dns bool
	otherwise kind // of ports without a service: refuse or drop
	tcp, udp  map[uint16]*service
}

// kind is what a port does.
type kind string

const (
	kindEcho    kind = "echo"    // sends back what comes (RFC 862)
	kindDiscard kind = "discard" // takes and forgets (RFC 863)
	kindText    kind = "text"    // says one text, as daytime (RFC 867) does
	kindHTTP    kind = "http"
	kindRefuse  kind = "refuse" // RST, or ICMP port unreachable
	kindDrop    kind = "drop"   // nothing
	kindReset   kind = "reset"  // accepts, then RST at the first byte or soon
)

var (
	tcpKinds = []kind{kindEcho, kindDiscard, kindText, kindHTTP, kindRefuse, kindDrop, kindReset}
	udpKinds = []kind{kindEcho, kindDiscard, kindText, kindRefuse, kindDrop}
)

type service struct {
	kind    kind
	text    string
	status  int
	headers http.Header
	body    string
	size    int64 // of a generated body; -1: body is the body
}

// at is the service on a port, and otherwise's where there is none.
func (h *host) at(services map[uint16]*service, port uint16) *service {
	if s := services[port]; s != nil {
		return s
	}
	return &service{kind: h.otherwise}
}

type unreachable struct {
	prefix netip.Prefix
	why    stack.Unreachable
}

// fate is what becomes of a packet before any host sees it.
type fate uint8

const (
	arrives fate = iota
	vanishes
	cannot // an ICMP error says why
)

// find tells the fate of packets to a, the host that gets them, and the reason
// if none does. Addresses that nobody described have no route.
func (n *Internet) find(a netip.Addr) (*host, fate, stack.Unreachable) {
	if h := n.hosts[a]; h != nil {
		return h, arrives, 0
	}
	if a.IsMulticast() || a == broadcast || a == linkBroadcast {
		return nil, vanishes, 0
	}
	for _, u := range n.unreachable {
		if u.prefix.Contains(a) {
			return nil, cannot, u.why
		}
	}
	if onLink(a) {
		return nil, cannot, stack.UnreachableHost
	}
	return nil, cannot, stack.UnreachableNet
}

var (
	broadcast     = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	linkBroadcast = netip.MustParseAddr("10.0.2.255")
)

// onLink says whether a belongs to the link between sandbox and gateway.
func onLink(a netip.Addr) bool { return uplink.Net4.Contains(a) || uplink.Net6.Contains(a) }

// withResolvers is n with echo and DNS at more addresses. A host that n has
// there answers DNS as well.
func (n *Internet) withResolvers(addrs []netip.Addr) *Internet {
	m := &Internet{hosts: make(map[netip.Addr]*host), unreachable: n.unreachable, zone: n.zone}
	for a, h := range n.hosts {
		m.hosts[a] = h
	}
	for _, a := range addrs {
		h := &host{echo: true, otherwise: kindRefuse}
		if old := n.hosts[a]; old != nil {
			*h = *old
		}
		h.dns = true
		m.hosts[a] = h
	}
	return m
}
