package nat

import (
	"net/netip"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// sockopt is an option of a host socket with an int's value.
type sockopt struct{ level, name, value int }

func setOptions(fd int, options []sockopt) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}

// recvErr switches the error queue of a host socket towards dst on or off.
func recvErr(dst netip.Addr, on int) sockopt {
	if dst.Is4() {
		return sockopt{unix.SOL_IP, unix.IP_RECVERR, on}
	}
	return sockopt{unix.SOL_IPV6, unix.IPV6_RECVERR, on}
}

// recvWay makes the kernel tell TTL and TOS of what comes in from dst.
func recvWay(dst netip.Addr) []sockopt {
	if dst.Is4() {
		return recvWay4
	}
	return recvWay6
}

var (
	recvWay4 = []sockopt{{unix.SOL_IP, unix.IP_RECVTTL, 1}, {unix.SOL_IP, unix.IP_RECVTOS, 1}}
	recvWay6 = []sockopt{{unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1}, {unix.SOL_IPV6, unix.IPV6_RECVTCLASS, 1}}
)

// wayOptions make a host socket towards dst, which asks the way for as, nil: nobody
// knows for what, ask the same of it as a packet of the sandbox does. IP_PMTUDISC_PROBE sets DF and disregards
// what the host knows of the path, so that each packet is answered by the router
// that cannot forward it; what the interface has no room for is EMSGSIZE.
func wayOptions(dst netip.Addr, w stack.Way, as *stack.Way) (options []sockopt) {
	level, names := unix.SOL_IPV6, wayNames6
	if dst.Is4() {
		level, names = unix.SOL_IP, wayNames4
	}
	if as == nil || w.TTL != as.TTL {
		options = append(options, sockopt{level, names.ttl, int(w.TTL)})
	}
	if as == nil || w.TOS != as.TOS {
		options = append(options, sockopt{level, names.tos, int(w.TOS)})
	}
	if now := names.discover[w.Fragment]; as == nil || now != names.discover[as.Fragment] {
		options = append(options, sockopt{level, names.mtu, now})
	}
	return options
}

// wayNames are the options of a Way, and the values of the one that is about
// fragments.
type wayNames struct {
	ttl, tos, mtu int
	discover      [3]int
}

var (
	wayNames4 = wayNames{unix.IP_TTL, unix.IP_TOS, unix.IP_MTU_DISCOVER, [...]int{
		stack.FragmentAnywhere: unix.IP_PMTUDISC_DONT,
		stack.FragmentAtSource: unix.IP_PMTUDISC_WANT,
		stack.FragmentNever:    unix.IP_PMTUDISC_PROBE,
	}}
	wayNames6 = wayNames{unix.IPV6_UNICAST_HOPS, unix.IPV6_TCLASS, unix.IPV6_MTU_DISCOVER, [...]int{
		stack.FragmentAnywhere: unix.IPV6_PMTUDISC_WANT,
		stack.FragmentAtSource: unix.IPV6_PMTUDISC_WANT,
		stack.FragmentNever:    unix.IPV6_PMTUDISC_PROBE,
	}}
)

// defaultWay is what a new socket of the host's towards dst asks of the way, nil if
// that depends on the route: an IPv6 interface has a hop limit of its own.
func defaultWay(dst netip.Addr) *stack.Way {
	if dst.Is4() {
		return defaultWay4()
	}
	return nil
}

var defaultWay4 = sync.OnceValue(func() *stack.Way {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	ttl, err := unix.GetsockoptInt(fd, unix.SOL_IP, unix.IP_TTL)
	tos, terr := unix.GetsockoptInt(fd, unix.SOL_IP, unix.IP_TOS)
	disc, derr := unix.GetsockoptInt(fd, unix.SOL_IP, unix.IP_MTU_DISCOVER)
	fragment := slices.Index(wayNames4.discover[:], disc)
	if err != nil || terr != nil || derr != nil || fragment < 0 {
		return nil
	}
	return &stack.Way{TTL: uint8(ttl), TOS: uint8(tos), Fragment: stack.Fragment(fragment)}
})

// pathMTU is what the host knows of the path to dst, in bytes; 0: nothing. No
// packet is sent: connect(2) of UDP looks up the route.
func pathMTU(dst netip.Addr) uint32 {
	const discard = 9 // any port
	domain, option := unix.AF_INET6, sockopt{level: unix.SOL_IPV6, name: unix.IPV6_MTU}
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: discard, Addr: dst.As16()}
	if dst.Is4() {
		domain, option = unix.AF_INET, sockopt{level: unix.SOL_IP, name: unix.IP_MTU}
		sa = &unix.SockaddrInet4{Port: discard, Addr: dst.As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	if unix.Connect(fd, sa) != nil {
		return 0
	}
	mtu, err := unix.GetsockoptInt(fd, option.level, option.name)
	if err != nil {
		return 0
	}
	return uint32(mtu)
}

// message is a struct msghdr with its buffers for recvmsg(2), which, other than
// package unix's, makes no garbage.
type message struct {
	hdr unix.Msghdr
	iov unix.Iovec
	// control has room for TTL, TOS and a sock_extended_err with an IPv6
	// offender: 24, 24 and 64 bytes with their headers.
	control [16]uint64
}

// receive reads one datagram, or with MSG_ERRQUEUE one error, without waiting.
func (m *message) receive(fd uintptr, b []byte, flags int) (int, unix.Errno) {
	m.iov.Base = &b[0]
	m.iov.SetLen(len(b))
	m.hdr = unix.Msghdr{Iov: &m.iov, Control: (*byte)(unsafe.Pointer(&m.control[0]))}
	m.hdr.SetIovlen(1)
	m.hdr.SetControllen(int(unsafe.Sizeof(m.control)))
	for {
		n, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&m.hdr)), uintptr(flags|unix.MSG_DONTWAIT))
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// each calls f for the control messages of what receive read.
func (m *message) each(f func(level, typ int32, data []byte)) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&m.control[0])), unsafe.Sizeof(m.control))[:m.hdr.Controllen]
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return
		}
		f(h.Level, h.Type, data)
		b = rest
	}
}

// way is what the control messages tell of the packet's IP header.
func (m *message) way() stack.Way {
	var w stack.Way
	m.each(func(level, typ int32, data []byte) {
		switch {
		case len(data) == 0:
		case level == unix.SOL_IP && typ == unix.IP_TTL, level == unix.SOL_IPV6 && typ == unix.IPV6_HOPLIMIT:
			w.TTL = intByte(data)
		case level == unix.SOL_IP && typ == unix.IP_TOS: // one byte, ip_cmsg_recv_tos
			w.TOS = data[0]
		case level == unix.SOL_IPV6 && typ == unix.IPV6_TCLASS:
			w.TOS = intByte(data)
		}
	})
	return w
}

// intByte is an int that has a byte's value.
func intByte(data []byte) uint8 {
	if len(data) < 4 {
		return 0
	}
	return uint8(*(*int32)(unsafe.Pointer(&data[0])))
}
