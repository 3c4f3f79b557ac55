package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

const (
	// udpIdle is RFC 4787's REQ-5 minimum for a NAT, two minutes; Linux's
	// conntrack has the same for streams (nf_conntrack_udp_timeout_stream).
	udpIdle = 120 * time.Second
	// dnsIdle is shorter: a query is answered or asked again within seconds,
	// and resolvers use a new port for each. Linux: nf_conntrack_udp_timeout.
	dnsIdle = 30 * time.Second
	// maxUDPFlows bounds what is open. A flow costs a descriptor, two
	// goroutines and a buffer of 64 KiB, 150 MiB in all; a resolver that asks
	// the root needs some hundred at once, a BitTorrent client one or two
	// thousand.
	maxUDPFlows = 2048
	// maxDatagram is more than any UDP payload has, which is 65507 bytes over
	// IPv4 and 65527 over IPv6.
	maxDatagram = 65535
)

// datagrams holds buffers of maxDatagram bytes.
var datagrams = sync.Pool{New: func() any { b := make([]byte, maxDatagram); return &b }}

// flowKey names a UDP flow as the sandbox sees it.
type flowKey struct{ src, dst netip.AddrPort }

// udpFlow is one flow: box is its end on the gateway, host the kernel's.
type udpFlow struct {
	flowKey
	nat  *NAT
	box  net.Conn
	host *net.UDPConn
	raw  syscall.RawConn
	idle time.Duration
	last atomic.Int64 // when a datagram passed, since start
	end  sync.Once
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

// close ends the flow and both its goroutines. Later datagrams make a new one.
func (f *udpFlow) close() {
	f.end.Do(func() {
		f.host.Close()
		f.box.Close()
		f.nat.udp.remove(f)
	})
}

// serveUDP answers the first datagram of a flow. It runs on the packet path,
// where nothing may wait: socket(2) and connect(2) of UDP don't.
func (n *NAT) serveUDP(r *stack.UDPRequest) {
	addr, act := n.guard.check(r.Dst.Addr())
	switch act {
	case permit:
	case refuse:
		r.Unreachable(stack.UnreachablePort)
	case noHost:
		r.Unreachable(stack.UnreachableHost)
	case noNet:
		r.Unreachable(stack.UnreachableNet)
	}
	if act != permit {
		n.denied("udp", r.Src, r.Dst)
		return
	}
	host, raw, err := dialUDP(netip.AddrPortFrom(addr, r.Dst.Port()))
	if err != nil {
		n.failUDP(r, err)
		return
	}
	box, err := r.Accept()
	if err != nil {
		n.count.udpDropped.Add(1)
		host.Close()
		n.log.Debug("udp flow not accepted", "src", r.Src, "dst", r.Dst, "err", err)
		return
	}
	f := &udpFlow{flowKey: flowKey{r.Src, r.Dst}, nat: n, box: box, host: host, raw: raw, idle: n.cfg.UDPIdle}
	if r.Dst.Port() == 53 {
		f.idle = n.cfg.DNSIdle
	}
	n.openUDP(f)
}

func (n *NAT) openUDP(f *udpFlow) {
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
	n.log.Debug("flow open", "proto", "udp", "src", f.src, "dst", f.dst, "via", f.host.LocalAddr())
	if !n.running.Go(f.pumpOutward) || !n.running.Go(f.pumpInward) {
		f.close()
	}
}

// dialUDP makes a connected socket. Go sets SO_BROADCAST on its own, which
// would let a sandbox reach all of the host's network at once; without it
// connect(2) to a subnet's broadcast address is EACCES.
func dialUDP(dst netip.AddrPort) (*net.UDPConn, syscall.RawConn, error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0)
		})
		return errors.Join(err, cerr)
	}}
	conn, err := d.DialUDP(context.Background(), "udp", netip.AddrPort{}, dst)
	if err != nil {
		return nil, nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, raw, nil
}

// failUDP answers a datagram that no host socket could be made for.
func (n *NAT) failUDP(r *stack.UDPRequest, err error) {
	n.count.udpDropped.Add(1)
	n.log.Debug("connect failed", "proto", "udp", "src", r.Src, "dst", r.Dst, "err", err)
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return
	}
	switch errno {
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		n.warnNoRoom(err)
	default:
		r.Unreachable(unreachable(errno))
	}
}

// pumpOutward carries box to host. The box ends when the flow does, or when
// the sandbox's ICMP says that the program's socket is gone.
func (f *udpFlow) pumpOutward() {
	defer f.close()
	buf := datagrams.Get().(*[]byte)
	defer datagrams.Put(buf)
	for {
		size, err := f.box.Read(*buf)
		if err != nil {
			return
		}
		f.touch()
		p := (*buf)[:size]
		_, err = f.host.Write(p)
		if errors.Is(err, unix.ECONNREFUSED) {
			// What an earlier datagram brought; this one was not sent.
			f.report(err)
			_, err = f.host.Write(p)
		}
		if err == nil {
			f.nat.count.bytesOut.Add(uint64(size))
		} else if !f.report(err) {
			return
		}
	}
}

// pumpInward carries host to box, and ends the flow when it is idle.
func (f *udpFlow) pumpInward() {
	defer f.close()
	var r udpReader
	try := r.readNow
	for {
		err := f.raw.Read(try)
		if err == nil {
			err = r.err
		}
		switch {
		case err == nil:
			f.touch()
			f.deliver((*r.buf)[:r.n])
		case errors.Is(err, os.ErrDeadlineExceeded):
			if f.age() >= f.idle {
				f.nat.count.udpExpired.Add(1)
				return
			}
			f.host.SetReadDeadline(time.Now().Add(f.idle - f.age()))
		case !f.report(err):
			return
		}
		r.release()
	}
}

// deliver hands a datagram in. The box fails only when the flow is over.
func (f *udpFlow) deliver(p []byte) {
	if _, err := f.box.Write(p); err != nil {
		f.nat.count.udpDropped.Add(1)
		return
	}
	f.nat.count.bytesIn.Add(uint64(len(p)))
}

// report tells the sandbox of an error of the host socket as ICMP would, and
// whether the flow goes on: the socket stays good after any errno.
func (f *udpFlow) report(err error) bool {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return false // closed
	}
	switch errno {
	case unix.EMSGSIZE, unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN:
		// This datagram is lost, as datagrams may be.
		f.nat.count.udpDropped.Add(1)
	case unix.EBADF, unix.EINVAL, unix.ENOTCONN:
		return false
	default:
		f.nat.gateway.SendUnreachable(f.src, f.dst, unreachable(errno))
	}
	return true
}

// udpReader reads from a kernel socket, and holds a buffer only while there is
// a datagram in it.
type udpReader struct {
	buf *[]byte
	n   int
	err error
}

func (r *udpReader) release() {
	if r.buf != nil {
		datagrams.Put(r.buf)
		r.buf = nil
	}
}

// readNow is for RawConn.Read; false means that there was nothing yet.
func (r *udpReader) readNow(fd uintptr) bool {
	r.buf, r.err = datagrams.Get().(*[]byte), nil
	r.n, r.err = unix.Read(int(fd), *r.buf)
	for r.err == unix.EINTR {
		r.n, r.err = unix.Read(int(fd), *r.buf)
	}
	if r.err == unix.EAGAIN {
		r.release()
		return false
	}
	return true
}
