package netemu

import (
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// raw is a raw IP socket's transport, see raw(7).
type raw struct {
	inet
	protocol int
	unwatch  func() // what close is to undo
	// filter is ICMP_FILTER: bit n set drops ICMP type n, for n < 32.
	filter atomic.Uint32
	// filter6 is ICMP6_FILTER: bit n set drops ICMPv6 type n.
	filter6 atomic.Pointer[[8]uint32]
}

// newRaw makes the transport on ep, if that is not nil. A socket that is shown the
// packets of TCP observes them.
func (e *Emulator) newRaw(id identity, ep *stack.Endpoint) transport {
	r := &raw{inet: inet{id.family, ep}, protocol: id.protocol, unwatch: func() {}}
	if id.protocol == unix.IPPROTO_TCP && ep != nil {
		e.short.Observe(true)
		r.unwatch = func() { e.short.Observe(false) }
	}
	r.filter6.Store(&[8]uint32{})
	return r
}

func (r *raw) close() {
	r.inet.close()
	r.unwatch()
}

// bind ignores the port, which raw sockets do not have.
func (r *raw) bind(sa abi.Sockaddr) unix.Errno { return r.inet.bind(portless(sa)) }

func (r *raw) connect(sa abi.Sockaddr) unix.Errno { return r.inet.connect(portless(sa)) }

func portless(sa abi.Sockaddr) abi.Sockaddr {
	sa.Addr = netip.AddrPortFrom(sa.Addr.Addr(), 0)
	return sa
}

func (r *raw) send(p []byte, to *abi.Sockaddr, c *stack.SendControl) unix.Errno {
	var dst *stack.Addr
	if to != nil {
		a := stackAddr(portless(*to))
		dst = &a
	}
	_, errno := r.ep.Send(p, dst, c)
	return errno
}

func (r *raw) receive(buf []byte) (int, arrival, unix.Errno) {
	d, errno := r.ep.Next(buf)
	if errno != 0 {
		return 0, arrival{}, errno
	}
	if !r.wants(buf[:d.N]) {
		return 0, arrival{}, unix.EINTR
	}
	from := sockaddr(r.family, stack.Addr{AddrPort: netip.AddrPortFrom(d.From.Addr(), 0), NIC: d.From.NIC})
	if r.family == unix.AF_INET {
		from.Addr = netip.AddrPortFrom(from.Addr.Addr(), 0)
	}
	return d.N, arrival{from: from, control: d.Control}, 0
}

// wants applies the ICMP filters.
func (r *raw) wants(p []byte) bool {
	switch r.protocol {
	case unix.IPPROTO_ICMP:
		_, icmp := splitIPv4(p)
		return len(icmp) == 0 || icmp[0] >= 32 || r.filter.Load()>>icmp[0]&1 == 0
	case unix.IPPROTO_ICMPV6:
		return len(p) == 0 || r.filter6.Load()[p[0]>>5]>>(p[0]&31)&1 == 0
	}
	return true
}

// splitIPv4 splits a packet into header and payload; both empty if it is none.
func splitIPv4(p []byte) (header, payload []byte) {
	if len(p) < 20 {
		return nil, nil
	}
	n := int(p[0]&0xf) * 4
	if n < 20 || n > len(p) {
		return nil, nil
	}
	return p[:n], p[n:]
}
