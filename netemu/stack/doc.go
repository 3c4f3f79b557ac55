// Package stack wraps gVisor's netstack: the sandbox's IP host, and what may
// stand on the other side of its link, a gateway or a simulated internet. It
// and package link are the only importers of gvisor.dev/gvisor/pkg/tcpip, so
// that netstack's moving API is met in one place.
//
// # Mechanism
//
// NewHost makes a stack with lo and, when it has a link, eth0, and hands out
// Endpoints: one per socket, a tcpip.Endpoint with what Linux adds to it.
// Inside, errors are unix.Errno; errno.go is the border from tcpip.Error.
//
// NewGateway makes the far side. Its NIC is promiscuous (takes packets
// for any destination) and spoofing (may send from any source). A SYN, a
// datagram or an echo request that no endpoint of its own takes is given to
// the handlers of GatewayConfig, which relay it (nat) or answer it (sim).
//
// ICMP errors. netstack tells sockets about a few of them only. A tap (a raw
// endpoint of our own, icmperr.go) sees every ICMP message that reaches the
// host, over lo as well, before netstack does, finds the socket whose packet
// is quoted and applies Linux's rules: SO_ERROR and the IP_RECVERR queue.
// netstack's own port-unreachable on UDP sockets is then ignored.
//
// Packet sockets. A tap (tap.go) is shown all packets of all interfaces, on the
// goroutines that carry them. IP protocols that netstack does not know are given
// to raw sockets by stand-ins (rawprotocol.go).
//
// # Waiting
//
// Endpoints never block (a write may wait for the link's queue, milliseconds
// at most, see package link). To wait: Notify first, then try the operation
// again, then sleep. A notification between the try and the sleep is then not
// lost (google/gvisor#14618).
//
// # Ownership
//
// A Stack owns its NICs, the goroutines of netstack, of its link end and of
// its TCP requests; Close ends them all in this order: endpoints are aborted and
// the requests' goroutines joined, the link end is closed and joined (netstack
// joins it under a lock that delivery needs), then netstack. Endpoints and
// connections outlive Close harmlessly: their calls return errors.
//
// Lock order: Stack.mu, Endpoint.mu and the gateway's flow locks are leaves.
// None is held while calling netstack or a callback; Endpoint.groups
// and Endpoint.reading are held over one call of netstack.
package stack
