// Package link joins two netstacks in one process: New returns the two ends of
// a point-to-point IP link, each a gVisor link endpoint.
//
// # Mechanism
//
//	stack A ── WritePackets ──▶ queue A→B ──▶ B's delivery goroutine ──▶ stack B
//	stack A ◀── A's delivery goroutine ◀── queue B→A ◀── WritePackets ── stack B
//
// An end owns the queue of what travels towards it and one goroutine, started
// by Attach and ended by Close, that takes all that is queued in one go and
// delivers it. A datagram of UDP that finds the end idle, no packet queued and none
// being delivered, is delivered by its writer: the hand-over to the goroutine would
// cost more than all else that is done for it. (Netstack sends it with no lock held,
// as its own loopback delivers at once, too. Of TCP that brings nothing: netstack's
// processors spin for the endpoint that the writer has locked.) A packet changes stacks without a copy: the receiving packet
// shares the sender's reference-counted views. No link-layer header and no
// neighbour discovery: both stacks see a plain IP device.
//
// # Back-pressure without deadlock
//
// A writer that finds the queue full waits until the delivery goroutine has
// taken what was there. That is safe as long as no delivery goroutine ever
// waits, for then each of them always comes back to its queue; a writer that delivers
// does not wait either. Both only run netstack's inbound path, which queues TCP segments to
// netstack's own processor goroutines and datagrams to socket buffers; what it
// writes itself is ICMP (echo replies, errors, neighbour discovery), IGMP, and the TCP
// resets for segments without an endpoint. Those are the control packets: they
// never wait, they may go beyond the bound into a reserve, and when the
// reserve is used up they are refused and counted. ICMP and RST may be lost by
// their nature (RFC 1812 section 4.3.2.8 even asks for a limit).
//
// What is left are locks inside netstack that a waiting writer holds and a
// delivery goroutine wants (TCP's handling of packet-too-big takes the
// endpoint's lock). maxWait cuts such a circle: after it the writer's packets
// are dropped and counted, and TCP sends them again.
//
// # Closing
//
// Close of an end stops its delivery goroutine, which outlives a writer that delivers,
// frees what is queued towards
// it, and lets no packet through in either direction any more, except that
// what it had written before is still delivered to the peer. Wait joins the
// delivery goroutine; netstack must not hold its own lock then, so an owner
// calls Close and Wait before the stack's.
//
// Lock order: an end's mu is a leaf; it is never held while delivering.
package link
