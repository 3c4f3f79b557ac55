// Package dns is the sandbox's resolver.
//
// A sandboxed program reads the host's /etc/resolv.conf, so it asks whatever
// addresses stand there. netbox answers at all of them, and at 10.0.2.3 and
// fd00:2::3: addresses on loopback (127.0.0.53, 127.0.0.11) on the sandbox's
// own lo, the others on the gateway's stack ([Config.Loopback] and
// [Config.Routed]).
//
// Every question takes the same path:
//
//	socket → [Server] → [Zone.Over] (--host names, host.netbox) → [Forwarder] → the host's resolvers
//
// With the sim uplink a [Zone] with all simulated names stands at the end
// instead of the Forwarder.
//
// There is no cache. The resolver behind the Forwarder has one, nearer to the
// truth; a second one could only serve answers that went stale when the host
// changed networks, and would hide TTLs from programs that test them.
//
// No loop can arise: the Forwarder's sockets are opened on the host's network,
// never in the sandbox, so even 10.0.2.3 as an upstream is the host's 10.0.2.3
// (that is what a QEMU guest has). Where [Options.Dial] leads into an emulated
// network, [Options.Own] names the addresses that would be a loop, and
// NewForwarder refuses them.
//
// Goroutines: miekg's server owns one per question in flight and one per TCP
// connection; Server.Close ends and joins them. Locks: none is held while
// another is taken.
package dns
