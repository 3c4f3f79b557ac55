package netemu

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// icmpErrno is what an ICMP error means to a socket, and whether it is fatal to
// a connected one that has not asked for soft errors.
type icmpErrno struct {
	errno unix.Errno
	fatal bool
}

// icmpUnreachable is icmp_err_convert (net/ipv4/icmp.c), by the code of a
// destination unreachable message.
var icmpUnreachable = [...]icmpErrno{
	{unix.ENETUNREACH, false}, {unix.EHOSTUNREACH, false}, {unix.ENOPROTOOPT, true}, {unix.ECONNREFUSED, true},
	{unix.EMSGSIZE, false}, {unix.EOPNOTSUPP, false}, {unix.ENETUNREACH, true}, {unix.EHOSTDOWN, true},
	{unix.ENONET, true}, {unix.ENETUNREACH, true}, {unix.EHOSTUNREACH, true}, {unix.ENETUNREACH, false},
	{unix.EHOSTUNREACH, false}, {unix.EHOSTUNREACH, true}, {unix.EHOSTUNREACH, true}, {unix.EHOSTUNREACH, true},
}

// icmp6Unreachable is tab_unreach (net/ipv6/icmp.c).
var icmp6Unreachable = [...]icmpErrno{
	{unix.ENETUNREACH, false}, {unix.EACCES, true}, {unix.EHOSTUNREACH, false}, {unix.EHOSTUNREACH, false},
	{unix.ECONNREFUSED, true}, {unix.EACCES, true}, {unix.EACCES, true},
}

// meaning is what ping_err makes of an error message of the family.
func meaning(family int, typ, code byte) (icmpErrno, bool) {
	if family == unix.AF_INET {
		switch typ {
		case 3:
			if int(code) < len(icmpUnreachable) {
				return icmpUnreachable[code], true
			}
			return icmpErrno{unix.EHOSTUNREACH, true}, true
		case 11:
			return icmpErrno{unix.EHOSTUNREACH, false}, true
		case 12:
			return icmpErrno{unix.EPROTO, true}, true
		}
		return icmpErrno{}, false
	}
	switch typ {
	case 1:
		if int(code) < len(icmp6Unreachable) {
			return icmp6Unreachable[code], true
		}
		return icmpErrno{unix.EPROTO, true}, true
	case 2:
		return icmpErrno{unix.EMSGSIZE, false}, true
	case 3:
		return icmpErrno{unix.EHOSTUNREACH, false}, true
	case 4:
		return icmpErrno{unix.EPROTO, true}, true
	}
	return icmpErrno{}, false
}

// quotedRequest finds the echo request that an ICMP error m quotes: where it
// went, and its ICMP message.
func quotedRequest(family int, m []byte) (dst netip.Addr, request []byte, ok bool) {
	quoted := m[icmpHeaderBytes:]
	if family == unix.AF_INET {
		header, icmp := splitIPv4(quoted)
		if len(icmp) < icmpHeaderBytes || header[9] != unix.IPPROTO_ICMP || icmp[0] != icmpEcho {
			return netip.Addr{}, nil, false
		}
		return netip.AddrFrom4([4]byte(header[16:20])), icmp, true
	}
	const ip6Header = 40
	if len(quoted) < ip6Header+icmpHeaderBytes || quoted[6] != unix.IPPROTO_ICMPV6 || quoted[ip6Header] != icmp6Echo {
		return netip.Addr{}, nil, false
	}
	return netip.AddrFrom16([16]byte(quoted[24:40])), quoted[ip6Header:], true
}

// takeICMPError looks at an ICMP message that is no reply. EINTR: nothing for
// this socket (or for its error queue only); else its pending error.
func (p *ping) takeICMPError(m []byte, d stack.Datagram) unix.Errno {
	means, ok := meaning(p.family, m[0], m[1])
	if !ok {
		return unix.EINTR
	}
	dst, request, ok := quotedRequest(p.family, m)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !ok || p.ident == 0 || binary.BigEndian.Uint16(request[4:]) != p.ident {
		return unix.EINTR
	}
	if !p.recvErr {
		if means.fatal && p.remote.IsValid() {
			return means.errno
		}
		return unix.EINTR
	}
	if len(p.queue) < maxQueuedErrors {
		p.queue = append(p.queue, p.queued(means.errno, m, d, dst, request))
	}
	return unix.EINTR
}

func (p *ping) queued(errno unix.Errno, m []byte, d stack.Datagram, dst netip.Addr, request []byte) stack.QueuedError {
	q := stack.QueuedError{
		Errno: errno, Origin: unix.SO_EE_ORIGIN_ICMP, Type: m[0], Code: m[1],
		Payload:  append([]byte(nil), request...),
		Control:  d.Control,
		Dst:      stack.Addr{AddrPort: netip.AddrPortFrom(dst, 0)},
		Offender: stack.Addr{AddrPort: netip.AddrPortFrom(d.From.Addr(), 0), NIC: d.From.NIC},
	}
	if p.family == unix.AF_INET6 {
		q.Origin = unix.SO_EE_ORIGIN_ICMP6
		if m[0] == 2 {
			q.Info = binary.BigEndian.Uint32(m[4:])
		}
	} else if m[0] == 3 && m[1] == 4 {
		q.Info = uint32(binary.BigEndian.Uint16(m[6:]))
	}
	return q
}

// tooBig queues the error of this host for a request of n bytes that is longer
// than IP_MTU_DISCOVER allows (ip_local_error); to is nil for the peer.
func (p *ping) tooBig(n int, to *abi.Sockaddr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dst := p.remote
	if to != nil {
		dst = to.Addr.Addr().Unmap()
	}
	mtu := p.ep.TooBig(n, dst)
	if !p.recvErr || mtu == 0 || len(p.queue) >= maxQueuedErrors {
		return
	}
	p.queue = append(p.queue, stack.QueuedError{
		Errno: unix.EMSGSIZE, Origin: unix.SO_EE_ORIGIN_LOCAL, Info: uint32(mtu),
		Dst: stack.Addr{AddrPort: netip.AddrPortFrom(dst, 0)},
	})
}

// setRecvErr is IP_RECVERR and IPV6_RECVERR.
func (p *ping) setRecvErr(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recvErr = on
	if !on {
		p.queue = nil
	}
}
