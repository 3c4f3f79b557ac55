package nat

import (
	"errors"
	"log/slog"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/netemu/uplink/relay"
)

const (
	// maxTCPDials bounds connect(2)s in flight. One to a host that drops SYNs
	// stays for the 127 s of net.ipv4.tcp_syn_retries=6, whatever became of
	// the program's own, so a port scan fills any bound; 4096 is beyond what
	// else asks at once (a browser 256, a benchmark some 2000). A SYN above it
	// is dropped, and comes again a second later.
	maxTCPDials = 4096
	// maxTCPFlows bounds what is connected. A flow whose bytes come by packets costs
	// the supervisor a descriptor, two goroutines and 4 KiB of buffer: about 16 KiB,
	// so 256 MiB in all, and the host side has 28232 ephemeral ports towards one server.
	maxTCPFlows = 16384
)

// startDial counts a connect(2); false when there are too many.
func (n *NAT) startDial() bool {
	if n.dials.Add(1) > maxTCPDials || n.tcp.Open() >= maxTCPFlows {
		n.dials.Add(-1)
		return false
	}
	return true
}

// serveTCP answers a SYN, now or when the host's connect(2) has ended.
func (n *NAT) serveTCP(r *stack.TCPRequest) {
	addr, act := n.guard.check(r.Dst.Addr())
	if act != permit {
		n.denied("tcp", r.Src, r.Dst)
		denyTCP(r, act)
		return
	}
	if r.TTL == 0 { // no router forwards it
		r.Drop()
		return
	}
	if !n.startDial() {
		n.count.tcpNoRoom.Add(1)
		r.Drop()
		return
	}
	if !n.running.Go(func() { n.forwardTCP(r, netip.AddrPortFrom(addr, r.Dst.Port())) }) {
		n.dials.Add(-1)
		r.Drop() // closing
	}
}

func denyTCP(r *stack.TCPRequest, act action) {
	switch act {
	case refuse:
		r.Refuse()
	case noHost:
		r.Unreachable(stack.UnreachableHost)
	case noNet:
		r.Unreachable(stack.UnreachableNet)
	default:
		r.Drop()
	}
}

func (n *NAT) denied(proto string, src, dst netip.AddrPort) {
	n.count.denied.Add(1)
	n.log.Debug("destination not permitted", "proto", proto, "src", src, "dst", dst)
}

// forwardTCP is the life of one flow.
func (n *NAT) forwardTCP(r *stack.TCPRequest, dst netip.AddrPort) {
	log := n.log.With("proto", "tcp", "src", r.Src, "dst", r.Dst)
	d := dial{way: r.Way, dst: dst}
	host, err := d.connect(n.ctx)
	n.dials.Add(-1)
	if err != nil {
		n.failTCP(r, d, err, log)
		return
	}
	if !n.tcp.Add(host) { // full, or closing
		n.count.tcpNoRoom.Add(1)
		relay.Reset(host)
		r.Drop()
		return
	}
	defer n.tcp.Remove(host)
	// Before the handshake's end, after which the program's socket looks for it.
	short := n.cfg.Shortcuts.Offer(relay.Ends{Local: r.Src, Remote: r.Dst}, host)
	box, err := r.Accept()
	if err != nil { // the program is not waiting any more
		short.Withdraw()
		relay.Reset(host)
		log.Debug("flow abandoned", "err", err)
		return
	}
	n.count.tcpFlows.Add(1)
	log.Debug("flow open", "via", d.local)
	sent := relay.TCP(host, box, relay.Options{
		Outward: func() { n.tcp.EndOutward(host) }, Shortcut: short, Go: n.running.Go,
	})
	n.count.bytesOut.Add(uint64(sent.Outward))
	n.count.bytesIn.Add(uint64(sent.Inward))
	log.Debug("flow closed", "out", sent.Outward, "in", sent.Inward, "fast", short.Taken())
}

// failTCP answers a SYN with what the host's connect(2) failed with, in such a
// way that the program's connect(2) fails with the same.
func (n *NAT) failTCP(r *stack.TCPRequest, d dial, err error, log *slog.Logger) {
	n.count.tcpFailed.Add(1)
	log.Debug("connect failed", "err", err)
	var errno unix.Errno
	if !errors.As(err, &errno) { // cancelled by Close
		r.Drop()
		return
	}
	switch {
	case d.told != nil:
		n.count.icmpErrors.Add(1)
		d.told.From = offender(d.told.From, r.Dst.Addr(), d.dst.Addr())
		r.Fail(*d.told)
	case errno == unix.ECONNREFUSED, errno == unix.ECONNRESET:
		r.Refuse()
	case errno == unix.ETIMEDOUT:
		r.Drop()
	case hostShort(errno), errno == unix.EADDRNOTAVAIL:
		// The host is short of something; the SYN comes again, and then
		// there may be room. EADDRNOTAVAIL is connect(2) out of ephemeral
		// ports.
		n.count.tcpNoRoom.Add(1)
		n.warnNoRoom(err)
		r.Drop()
	default:
		r.Fail(ownFailure(r.Dst.Addr(), errno, 0))
	}
}

// warnNoRoom says so once: a program that meets the limit meets it often.
func (n *NAT) warnNoRoom(err error) {
	n.noRoom.Do(func() { n.log.Warn("the host has no room for another socket", "err", err) })
}
