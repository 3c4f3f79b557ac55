package nat

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/netemu/uplink/relay"
)

const (
	// udpIdle is RFC 4787's REQ-5 minimum for a NAT, two minutes; Linux's
	// conntrack has the same for streams (nf_conntrack_udp_timeout_stream).
	udpIdle = 120 * time.Second
	// dnsIdle is shorter: a query is answered or asked again within seconds,
	// and resolvers use a new port for each. Linux: nf_conntrack_udp_timeout.
	dnsIdle = 30 * time.Second
	// maxUDPFlows bounds what is open. A flow costs a descriptor and a goroutine,
	// to which comes what maxAllQueued lets wait; a resolver that asks the root needs some hundred
	// at once, a BitTorrent client one or two thousand.
	maxUDPFlows = 2048
	// maxDatagram is more than any UDP payload has, which is 65507 bytes over
	// IPv4 and 65527 over IPv6.
	maxDatagram = 65535
)

// datagrams holds buffers of maxDatagram bytes.
var datagrams = sync.Pool{New: func() any { b := make([]byte, maxDatagram); return &b }}

// flowKey names a UDP flow as the sandbox sees it.
type flowKey struct{ src, dst netip.AddrPort }

// udpFlow is one flow: send is what goes to the host's socket, by way of out where
// that has no room.
type udpFlow struct {
	flowKey
	nat   *NAT
	to    netip.Addr // dst to the host
	local netip.AddrPort
	host  *relay.Socket
	raw   syscall.RawConn
	idle  time.Duration
	send  sender
	out   outbox
	sent  sentHeads
	// tooBig is the MTU that the host's own "message too long" told last.
	tooBig atomic.Uint32
	last   atomic.Int64 // when a datagram passed, since start
	end    sync.Once
	// before and after are the neighbours in udpTable's list of a port.
	before, after *udpFlow
}

// start is where the flows' clock begins; time.Since of it is monotonic.
var start = time.Now()

func (f *udpFlow) touch() {
	now := int64(time.Since(start))
	f.last.Store(now)
	f.nat.udp.last.Store(now)
}

func (f *udpFlow) age() time.Duration {
	return time.Since(start) - time.Duration(f.last.Load())
}

// close ends the flow and its goroutines. Later datagrams make a new one.
func (f *udpFlow) close() {
	f.end.Do(func() {
		f.host.Close()
		f.out.close()
		f.nat.udp.remove(f)
	})
}

// serveUDP takes a datagram. It runs on the packet path, where nothing may wait:
// socket(2) and connect(2) of UDP don't.
func (n *NAT) serveUDP(d stack.ForwardedDatagram) {
	if f := n.udp.find(flowKey{d.Src, d.Dst}); f != nil && f.take(d) {
		return
	}
	if f := n.openUDP(d); f != nil {
		f.take(d)
	}
}

// take sends a datagram to the host, behind those that wait; false when the flow has
// ended.
func (f *udpFlow) take(d stack.ForwardedDatagram) bool {
	f.touch()
	if f.out.idle() {
		room, ok := f.send.now(d)
		if !ok {
			f.close()
		}
		if room {
			return ok
		}
	}
	queued, open := f.out.put(d)
	if open && !queued {
		f.nat.count.udpDropped.Add(1)
	}
	if open && f.out.drain() && !f.nat.running.Go(f.drain) {
		f.close()
	}
	return open
}

// openUDP makes the flow of a datagram, or answers the datagram with the reason
// why there can be none.
func (n *NAT) openUDP(d stack.ForwardedDatagram) *udpFlow {
	addr, act := n.guard.check(d.Dst.Addr())
	switch act {
	case permit:
	case refuse:
		d.Unreachable(stack.UnreachablePort)
	case noHost:
		d.Unreachable(stack.UnreachableHost)
	case noNet:
		d.Unreachable(stack.UnreachableNet)
	}
	if act != permit {
		n.denied("udp", d.Src, d.Dst)
		return nil
	}
	f := &udpFlow{flowKey: flowKey{d.Src, d.Dst}, nat: n, to: addr, idle: n.cfg.UDPIdle}
	f.out.all = &n.queued
	f.send = sender{f: f, way: defaultWay(addr)}
	if err := f.dial(netip.AddrPortFrom(addr, d.Dst.Port())); err != nil {
		n.failUDP(d, err)
		return nil
	}
	if d.Dst.Port() == 53 {
		f.idle = n.cfg.DNSIdle
	}
	n.startUDP(f)
	return f
}

func (n *NAT) startUDP(f *udpFlow) {
	f.touch()
	f.host.SetReadDeadline(time.Now().Add(f.idle))
	leaving, ok := n.udp.add(f)
	if !ok { // closing
		f.close()
		return
	}
	if leaving != nil {
		leaving.close()
		if leaving.flowKey != f.flowKey {
			n.count.udpEvicted.Add(1)
		}
	}
	n.count.udpFlows.Add(1)
	n.log.Debug("flow open", "proto", "udp", "src", f.src, "dst", f.dst, "via", f.local)
	if !n.running.Go(f.pumpInward) {
		f.close()
	}
}

// goneUDP ends the flow of a port that the program has closed.
func (n *NAT) goneUDP(src, dst netip.AddrPort) {
	if f := n.udp.find(flowKey{dst, src}); f != nil {
		f.close()
	}
}

// UDPPortLeft ends the flows of a port that programs have left, but those whose last
// datagrams wait for the host. Who sends from it later has flows of its own.
func (n *NAT) UDPPortLeft(port uint16) {
	for _, f := range n.udp.from(port) {
		if f.out.idle() {
			n.count.udpLeft.Add(1)
			f.close()
		}
	}
}

// dial makes the flow's socket, connected. Without SO_BROADCAST, which would let a
// sandbox reach all of the host's network at once, connect(2) to a subnet's broadcast
// address is EACCES.
func (f *udpFlow) dial(dst netip.AddrPort) error {
	domain := unix.AF_INET6
	if dst.Addr().Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = setOptions(fd, append([]sockopt{recvErr(dst.Addr(), 1)}, recvWay(dst.Addr())...))
	if err == nil {
		err = unix.Connect(fd, relay.Sockaddr(dst))
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	if sa, err := unix.Getsockname(fd); err == nil {
		f.local = relay.AddrPort(sa)
	}
	if f.host, err = relay.NewSocket(fd); err != nil {
		return err
	}
	f.raw, err = f.host.SyscallConn()
	return err
}

// failUDP answers a datagram that no host socket could be made for.
func (n *NAT) failUDP(d stack.ForwardedDatagram, err error) {
	n.count.udpDropped.Add(1)
	n.log.Debug("connect failed", "proto", "udp", "src", d.Src, "dst", d.Dst, "err", err)
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return
	}
	if hostShort(errno) {
		n.warnNoRoom(err)
		return
	}
	quote, _ := d.AppendQuote(nil, maxQuote)
	n.gateway.SendError(d.Src.Addr(), ownFailure(d.Dst.Addr(), errno, 0), quote)
}
