package netemu

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// Types of ICMP and ICMPv6 messages (RFC 792, RFC 4443).
const (
	icmpEchoReply   = 0
	icmpEcho        = 8
	icmp6EchoReply  = 129
	icmp6Echo       = 128
	icmpHeaderBytes = 8
)

// ping is the transport of an ICMP echo socket (SOCK_DGRAM, IPPROTO_ICMP, see
// icmp(7)): a raw endpoint of which the socket sees the replies to its own
// identifier, without IP header, and that is told of errors about its own requests
// (net/ipv4/ping.c). The identifier is the socket's port.
type ping struct {
	inet

	mu     sync.Mutex
	ident  uint16 // 0: none yet
	remote netip.Addr
}

// newPing makes the transport on ep, if that is not nil.
func newPing(id identity, ep *stack.Endpoint) transport {
	if ep != nil {
		ep.SetIdent(0)
	}
	return &ping{inet: inet{id.family, ep}}
}

// idents are the identifiers in use, by family.
var idents = struct {
	sync.Mutex
	used map[[2]int]bool
	next uint16
}{used: make(map[[2]int]bool)}

// takeIdent reserves identifier want, or a free one for 0.
func takeIdent(family int, want uint16) (uint16, unix.Errno) {
	idents.Lock()
	defer idents.Unlock()
	for range 1 << 16 {
		id := want
		if id == 0 {
			idents.next++
			id = idents.next
		}
		if id != 0 && !idents.used[[2]int{family, int(id)}] {
			idents.used[[2]int{family, int(id)}] = true
			return id, 0
		}
		if want != 0 {
			return 0, unix.EADDRINUSE
		}
	}
	return 0, unix.EAGAIN
}

func (p *ping) bind(sa abi.Sockaddr) unix.Errno {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ident != 0 {
		return unix.EINVAL
	}
	if errno := p.inet.bind(portless(sa)); errno != 0 {
		return errno
	}
	return p.takeIdentLocked(sa.Addr.Port())
}

func (p *ping) connect(sa abi.Sockaddr) unix.Errno {
	p.mu.Lock()
	defer p.mu.Unlock()
	errno := p.inet.connect(portless(sa))
	if errno == 0 {
		p.remote = sa.Addr.Addr().Unmap()
		errno = p.identLocked()
	}
	return errno
}

func (p *ping) disconnect() unix.Errno {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remote = netip.Addr{}
	return p.inet.disconnect()
}

// autobind gives the socket an identifier if it has none (inet_autobind).
func (p *ping) autobind() unix.Errno {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.identLocked()
}

func (p *ping) identLocked() unix.Errno {
	if p.ident != 0 {
		return 0
	}
	return p.takeIdentLocked(0)
}

// takeIdentLocked takes the identifier want, 0: any.
func (p *ping) takeIdentLocked(want uint16) (errno unix.Errno) {
	p.ident, errno = takeIdent(p.family, want)
	p.ep.SetIdent(p.ident)
	return errno
}

func (p *ping) name() (abi.Sockaddr, unix.Errno) {
	sa, errno := p.inet.name()
	p.mu.Lock()
	defer p.mu.Unlock()
	sa.Addr = netip.AddrPortFrom(sa.Addr.Addr(), p.ident)
	return sa, errno
}

// send sends an echo request; the kernel fills in identifier and checksum
// (ping_common_sendmsg).
func (p *ping) send(b []byte, to *abi.Sockaddr, c *stack.SendControl) unix.Errno {
	want := byte(icmpEcho)
	if p.family == unix.AF_INET6 {
		want = icmp6Echo
	}
	if len(b) < icmpHeaderBytes || b[0] != want || b[1] != 0 {
		return unix.EINVAL
	}
	p.mu.Lock()
	errno := p.identLocked()
	connected := p.remote.IsValid()
	p.mu.Unlock()
	if errno != 0 {
		return errno
	}
	if to == nil && !connected {
		return unix.EDESTADDRREQ
	}
	m := append([]byte(nil), b...)
	binary.BigEndian.PutUint16(m[4:], p.ident)
	m[2], m[3] = 0, 0
	if p.family == unix.AF_INET {
		binary.BigEndian.PutUint16(m[2:], checksum(m))
	}
	var dst *stack.Addr
	if to != nil {
		a := stackAddr(portless(*to))
		dst = &a
	}
	_, errno = p.ep.Send(m, dst, c)
	return errno
}

// checksum is the Internet checksum (RFC 1071) of an even or odd number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// receive takes what the raw endpoint got: a reply is delivered, the rest is not ours.
func (p *ping) receive(buf []byte) (int, arrival, unix.Errno) {
	d, errno := p.ep.Next(buf)
	if errno != 0 {
		return 0, arrival{}, errno
	}
	m := buf[:d.N]
	reply := byte(icmp6EchoReply)
	if p.family == unix.AF_INET {
		_, m = splitIPv4(m)
		reply = icmpEchoReply
	}
	if len(m) < icmpHeaderBytes || m[0] != reply {
		return 0, arrival{}, unix.EINTR
	}
	p.mu.Lock()
	ours := p.ident != 0 && binary.BigEndian.Uint16(m[4:]) == p.ident
	p.mu.Unlock()
	if !ours {
		return 0, arrival{}, unix.EINTR
	}
	n := copy(buf, m)
	from := stack.Addr{AddrPort: netip.AddrPortFrom(d.From.Addr(), 0), NIC: d.From.NIC}
	return n, arrival{from: sockaddr(p.family, from), control: d.Control}, 0
}

func (p *ping) close() {
	p.mu.Lock()
	if p.ident != 0 {
		idents.Lock()
		delete(idents.used, [2]int{p.family, int(p.ident)})
		idents.Unlock()
	}
	p.mu.Unlock()
	p.inet.close()
}
