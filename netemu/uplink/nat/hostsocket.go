package nat

import (
	"net/netip"
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

// recvWay4 and recvWay6 make the kernel tell TTL and TOS of what comes in.
var (
	recvWay4 = []sockopt{{unix.SOL_IP, unix.IP_RECVTTL, 1}, {unix.SOL_IP, unix.IP_RECVTOS, 1}}
	recvWay6 = []sockopt{{unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1}, {unix.SOL_IPV6, unix.IPV6_RECVTCLASS, 1}}
)

// wayOptions make a host socket towards dst ask the same of the way as a packet
// of the sandbox does. IP_PMTUDISC_PROBE sets DF and disregards what the host
// knows of the path, so that each packet is answered by the router that cannot
// forward it; what the interface has no room for is EMSGSIZE.
func wayOptions(dst netip.Addr, w stack.Way) []sockopt {
	if dst.Is4() {
		disc := [...]int{
			stack.FragmentAnywhere: unix.IP_PMTUDISC_DONT,
			stack.FragmentAtSource: unix.IP_PMTUDISC_WANT,
			stack.FragmentNever:    unix.IP_PMTUDISC_PROBE,
		}[w.Fragment]
		return []sockopt{
			{unix.SOL_IP, unix.IP_TTL, int(w.TTL)},
			{unix.SOL_IP, unix.IP_TOS, int(w.TOS)},
			{unix.SOL_IP, unix.IP_MTU_DISCOVER, disc},
		}
	}
	disc := unix.IPV6_PMTUDISC_WANT
	if w.Fragment == stack.FragmentNever {
		disc = unix.IPV6_PMTUDISC_PROBE
	}
	return []sockopt{
		{unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, int(w.TTL)},
		{unix.SOL_IPV6, unix.IPV6_TCLASS, int(w.TOS)},
		{unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, disc},
	}
}

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
