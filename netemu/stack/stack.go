package stack

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"netbox/netemu/link"
)

// Interface indices, the numbers that ip link would show.
const (
	Loopback int32 = 1 // lo
	Ethernet int32 = 2 // eth0; a gateway's only interface
)

// Stack is the IP stack of one host: the sandbox, a gateway or a simulated
// internet.
type Stack struct {
	host bool
	net  *stack.Stack
	link link.Endpoint      // nil: none
	loop stack.LinkEndpoint // lo; nil: none
	tap  atomic.Pointer[tap]

	addrs      []netip.Prefix // of a far side's eth0
	neighbours []netip.Addr   // who answers ARP on eth0

	// confMu guards the configuration and its application to netstack.
	confMu  sync.RWMutex
	devices map[int32]*device
	routes  []Route
	table   []tcpip.Route // netstack's
	refuses atomic.Bool   // some row of routes refuses packets
	// facts are what a tap needs of it, by interface: it cannot wait for confMu.
	facts atomic.Pointer[map[int32]facts]

	tcpDropped      atomic.Uint64 // SYNs over maxTCPInFlight
	errQueueDropped atomic.Uint64 // errors over maxQueuedErrors
	heldSYNs        atomic.Int64  // see maxHeldSYNs
	reusedPorts     atomic.Uint64 // SYNs that were held back so far

	requests sync.WaitGroup // goroutines of TCP requests
	paths    pathMTUs

	pastLoopback, pastEthernet past

	mu     sync.Mutex
	closed bool
	socks  map[tcpip.Endpoint]*Endpoint // for ICMP errors
}

// Stats are the stack's counters of what was dropped.
type Stats struct {
	TCPForwardDropped uint64 // SYNs ignored: too many requests in flight
	ErrorQueueDropped uint64 // ICMP errors not queued: IP_RECVERR queue full
	ReusedPorts       uint64 // SYNs held back while the port's last connection went
	UDPBufferDropped  uint64 // datagrams dropped: receive buffer full
	Dropped           uint64 // packets netstack dropped, all reasons
	Link              link.Stats
}

// newStack makes a stack without interfaces. A host, unlike a far side, keeps
// packets to its own addresses, reports its groups with IGMP and MLD, and has
// programs with raw sockets.
func newStack(host bool) *Stack {
	silence()
	s := &Stack{host: host, socks: map[tcpip.Endpoint]*Endpoint{}, devices: map[int32]*device{}}
	transports := []stack.TransportProtocolFactory{
		tcp.NewProtocolCUBIC, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
	}
	if host {
		transports = append(transports, s.rawProtocols()...)
	}
	s.net = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocolWithOptions(ipv4.Options{IGMP: ipv4.IGMPOptions{Enabled: host}}),
			ipv6.NewProtocolWithOptions(ipv6Options(host)),
		},
		TransportProtocols: transports,
		// As on Linux, packets to a host's own addresses never leave.
		HandleLocal: host,
		RawFactory:  raw.EndpointFactory{},
	})
	return s
}

// Close ends everything and joins the stack's goroutines. It does not end
// goroutines of the caller that hold connections of this stack, but wakes them.
func (s *Stack) Close() {
	s.mu.Lock()
	wasClosed := s.closed
	s.closed = true
	s.mu.Unlock()
	if wasClosed {
		return
	}
	s.abortUntil(s.requests.Wait)
	if s.link != nil {
		s.link.Close()
		s.link.Wait()
	}
	s.net.Close()
	s.abortUntil(s.net.Wait)
}

// abortInterval is how long abortUntil waits before it looks again for an
// endpoint that an Accept or a Connect under way has made meanwhile.
const abortInterval = 10 * time.Millisecond

// abortUntil aborts all endpoints until wait returns. Once is not enough: a
// handshake that begins after it would be waited for until it times out.
func (s *Stack) abortUntil(wait func()) {
	done := make(chan struct{})
	go func() {
		wait()
		close(done)
	}()
	tick := time.NewTicker(abortInterval)
	defer tick.Stop()
	for {
		for _, e := range s.net.RegisteredEndpoints() {
			e.Abort()
		}
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

// addRequest counts a goroutine that Close waits for; false once closed.
func (s *Stack) addRequest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.requests.Add(1)
	return true
}

// Stats reads the counters.
func (s *Stack) Stats() Stats {
	n := s.net.Stats()
	st := Stats{
		TCPForwardDropped: s.tcpDropped.Load(),
		ErrorQueueDropped: s.errQueueDropped.Load(),
		ReusedPorts:       s.reusedPorts.Load(),
		UDPBufferDropped:  n.UDP.ReceiveBufferErrors.Value(),
		Dropped:           n.DroppedPackets.Value(),
	}
	if s.link != nil {
		st.Link = s.link.Stats()
	}
	return st
}

// addNIC makes an interface on ep, with addresses.
func (s *Stack) addNIC(i Interface, ep stack.LinkEndpoint) error {
	o := stack.NICOptions{Name: i.Name, Disabled: !i.Up, DeliverLinkPackets: s.host}
	if err := s.net.CreateNICWithOptions(tcpip.NICID(i.Index), ep, o); err != nil {
		return fmt.Errorf("interface %s: %s", i.Name, err)
	}
	s.confMu.Lock()
	s.devices[i.Index] = &device{kind: i.Kind, flags: i.Flags, mtu: i.MTU, txQueueLen: i.TxQueueLen}
	s.confMu.Unlock()
	if t := s.tap.Load(); t != nil {
		// It cannot fail: the interface is there.
		_ = s.net.RegisterPacketEndpoint(tcpip.NICID(i.Index), header.EthernetProtocolAll, t)
	}
	if en := s.SetAddresses(i.Index, i.Addrs); en != 0 {
		return fmt.Errorf("interface %s: addresses %v: %w", i.Name, i.Addrs, en)
	}
	return nil
}

// subnet converts a prefix.
func subnet(p netip.Prefix) tcpip.Subnet {
	a := tcpip.AddressWithPrefix{Address: fromAddr(p.Masked().Addr()), PrefixLen: p.Bits()}
	return a.Subnet()
}

// netProto tells the network protocol of an address, v4-mapped counted as v4.
func netProto(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Unmap().Is4() {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}
