package netemu

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// bindAddress decodes the address of a bind(2) on a socket of family. AF_UNSPEC
// with the wildcard is taken for AF_INET, as inet_bind does.
func bindAddress(family int, raw []byte) (abi.Sockaddr, unix.Errno) {
	f, errno := abi.Family(raw)
	if errno != 0 {
		return abi.Sockaddr{}, errno
	}
	if errno := checkLength(family, raw); errno != 0 {
		return abi.Sockaddr{}, errno
	}
	if f == unix.AF_UNSPEC && family == unix.AF_INET {
		in := append([]byte{unix.AF_INET, 0}, raw[2:]...)
		sa, errno := abi.ParseSockaddr(in)
		if errno == 0 && !sa.Addr.Addr().IsUnspecified() {
			errno = unix.EAFNOSUPPORT
		}
		return sa, errno
	}
	if int(f) != family {
		if family == unix.AF_NETLINK || family == unix.AF_PACKET {
			return abi.Sockaddr{}, unix.EINVAL
		}
		return abi.Sockaddr{}, unix.EAFNOSUPPORT
	}
	return abi.ParseSockaddr(raw)
}

// streamAddress decodes the address of a TCP connect(2) as tcp_v4_connect and
// tcp_v6_connect do.
func streamAddress(family int, raw []byte) (abi.Sockaddr, unix.Errno) {
	if errno := checkLength(family, raw); errno != 0 {
		return abi.Sockaddr{}, errno
	}
	if f, _ := abi.Family(raw); int(f) != family {
		return abi.Sockaddr{}, unix.EAFNOSUPPORT
	}
	return abi.ParseSockaddr(raw)
}

// remoteAddress decodes the address of a datagram connect(2) or sendto(2). AF_UNSPEC is
// passed on: it dissolves the association.
func remoteAddress(family int, raw []byte) (abi.Sockaddr, unix.Errno) {
	if family == unix.AF_PACKET {
		return linkAddress(raw)
	}
	f, errno := abi.Family(raw)
	if errno != 0 {
		return abi.Sockaddr{}, errno
	}
	if f == unix.AF_UNSPEC {
		return abi.Sockaddr{}, 0
	}
	if family == unix.AF_INET6 && f == unix.AF_INET && len(raw) >= abi.SizeofSockaddrInet4 {
		// As udpv6_sendmsg and ip6_datagram_connect do.
		return abi.ParseSockaddr(raw)
	}
	if errno := checkLength(family, raw); errno != 0 {
		return abi.Sockaddr{}, errno
	}
	if int(f) != family {
		if family == unix.AF_NETLINK {
			return abi.Sockaddr{}, unix.EINVAL
		}
		return abi.Sockaddr{}, unix.EAFNOSUPPORT
	}
	return abi.ParseSockaddr(raw)
}

// linkAddress decodes the address of a packet that is sent (packet_snd), which
// may be of any family by its own word.
func linkAddress(raw []byte) (abi.Sockaddr, unix.Errno) {
	link, errno := abi.ParseSockaddrLL(raw)
	if errno == 0 && len(raw) < abi.OffsetSockaddrLLAddr+int(raw[abi.OffsetSockaddrLLAddr-1]) {
		errno = unix.EINVAL
	}
	return abi.Sockaddr{Family: unix.AF_PACKET, Link: link}, errno
}

// checkLength is the test that every family makes before it looks at an
// address: EINVAL if it is too short.
func checkLength(family int, raw []byte) unix.Errno {
	least := abi.SizeofSockaddrInet4
	switch family {
	case unix.AF_INET6:
		least = 24 // SIN6_LEN_RFC2133
	case unix.AF_NETLINK:
		least = abi.SizeofSockaddrNetlink
	case unix.AF_PACKET:
		least = abi.SizeofSockaddrLL
	}
	if len(raw) < least {
		return unix.EINVAL
	}
	return 0
}

// local says whether bind(2) may name the address: one of the host's, the
// wildcard, or a multicast group.
func (e *Emulator) local(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return true
	}
	for _, i := range e.stack.Interfaces() {
		for _, p := range i.Addrs {
			if p.Addr() == a || a == broadcast(p.Prefix) {
				return true
			}
		}
	}
	return a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// checkBind makes the checks of bind(2) on a TCP or UDP socket before the port is
// looked at. inet_bind looks at the address first, inet6_bind at the state.
func (e *Emulator) checkBind(family int, ep *stack.Endpoint, bound bool, sa abi.Sockaddr) unix.Errno {
	a := sa.Addr.Addr()
	foreign := !e.local(a)
	switch {
	case family == unix.AF_INET && foreign:
		return unix.EADDRNOTAVAIL
	case bound:
		return unix.EINVAL
	case stack.NeedsScope(a) && sa.Scope == 0 && !boundToDevice(ep):
		return unix.EINVAL
	case stack.NeedsScope(a) && sa.Scope != 0 && !e.hasInterface(int32(sa.Scope)):
		return unix.ENODEV
	}
	if stack.NeedsScope(a) && sa.Scope != 0 {
		ep.BindScope(int32(sa.Scope)) // also if it fails
	}
	if foreign {
		return unix.EADDRNOTAVAIL
	}
	return 0
}

func boundToDevice(ep *stack.Endpoint) bool {
	n, errno := ep.GetInt(stack.BindToDevice)
	return errno == 0 && n != 0
}

// broadcast is the last address of an IPv4 prefix.
func broadcast(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// stackAddr is sa for netstack; the wildcard becomes the invalid address.
func stackAddr(sa abi.Sockaddr) stack.Addr {
	return stack.Addr{AddrPort: sa.Addr, NIC: int32(sa.Scope)}
}

// stackAddrOf is stackAddr of what may be nil, the peer.
func stackAddrOf(sa *abi.Sockaddr) *stack.Addr {
	if sa == nil {
		return nil
	}
	a := stackAddr(*sa)
	return &a
}

// sockaddr is a for a socket of family; the invalid address is the wildcard.
func sockaddr(family int, a stack.Addr) abi.Sockaddr {
	addr := a.Addr()
	if !addr.IsValid() {
		if addr = netip.IPv4Unspecified(); family == unix.AF_INET6 {
			addr = netip.IPv6Unspecified()
		}
	}
	sa := abi.Sockaddr{Family: uint16(family), Addr: netip.AddrPortFrom(addr, a.Port())}
	if family == unix.AF_INET6 && addr.IsLinkLocalUnicast() {
		sa.Scope = uint32(a.NIC)
	}
	return sa
}
