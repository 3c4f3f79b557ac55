package nat

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/netemu/uplink"
)

// ICMP and ICMPv6 types and codes that the gateway answers with of its own
// (RFC 792, RFC 1812 section 5.2.7.1; RFC 4443 sections 3.1 and 3.2).
const (
	unreachable4, net4, host4, port4, tooBig4, prohibited4 = 3, 0, 1, 3, 4, 13
	unreachable6, net6, host6, port6, prohibited6          = 1, 0, 3, 4, 1
	packetTooBig6                                          = 2
)

// gatewayFor is the gateway's address of dst's family.
func gatewayFor(dst netip.Addr) netip.Addr {
	if dst.Is4() {
		return uplink.Gateway4
	}
	return uplink.Gateway6
}

// ownFailure is the ICMP error for a packet to dst that the host itself would
// not send, with such a code that the program gets the same errno as far as
// ICMP has one (icmp_err_convert in net/ipv4/icmp.c, icmpv6_err_convert). It
// is what a router says of its own, and a closed port what dst does. mtu is
// what EMSGSIZE means.
func ownFailure(dst netip.Addr, errno unix.Errno, mtu uint32) stack.ICMPError {
	e := stack.ICMPError{From: gatewayFor(dst), Type: unreachable4}
	var code6 uint8
	switch errno {
	case unix.ENETUNREACH, unix.ENETDOWN, unix.EAFNOSUPPORT:
		e.Code, code6 = net4, net6
	case unix.EACCES, unix.EPERM: // a firewall of the host, a prohibiting route, or a broadcast address
		e.Code, code6 = prohibited4, prohibited6
	case unix.ECONNREFUSED:
		e.Code, code6 = port4, port6
		e.From = dst
	case unix.EMSGSIZE:
		e.Code, e.Info = tooBig4, mtu
	default:
		e.Code, code6 = host4, host6
	}
	switch {
	case dst.Is4():
	case errno == unix.EMSGSIZE:
		e.Type, e.Code = packetTooBig6, 0
	default:
		e.Type, e.Code = unreachable6, code6
	}
	return e
}

// hostShort says whether an errno means that the host is out of something,
// which a packet that gets lost stands for.
func hostShort(errno unix.Errno) bool {
	switch errno {
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN:
		return true
	}
	return false
}

// offender is who reported an error about a packet from the sandbox to dst, for which
// the host used to. What the sandbox cannot know is the gateway's word.
func offender(from, dst, to netip.Addr) netip.Addr {
	switch {
	case from == to:
		return dst
	case !from.IsValid(), from.IsLoopback(), from.IsUnspecified(), from.Is4() != dst.Is4():
		return gatewayFor(dst)
	}
	return from
}
