// Package netdev says what Linux tells of an interface beyond what the stack
// knows of it, so that netlink, the SIOC* ioctls and /proc/net tell the same.
package netdev

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// Facts that are the same for lo and eth0. TxQueueLen is Linux's default
// (DEFAULT_TX_QUEUE_LEN, include/net/pkt_sched.h) in packets, and
// HardwareAddrLen the length of MAC-48 addresses, in bytes.
const (
	TxQueueLen      = 1000
	HardwareAddrLen = 6
)

// Flags are the IFF_* flags as netlink tells them (ifi_flags, 32 bits); the
// ioctls tell the low 16 bits.
func Flags(i stack.Interface) uint32 {
	flags := uint32(unix.IFF_BROADCAST | unix.IFF_MULTICAST)
	if i.Loopback {
		flags = unix.IFF_LOOPBACK
	}
	if i.Up {
		flags |= unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP
	}
	return flags
}

// HardwareType is the ARPHRD_* number of the interface.
func HardwareType(i stack.Interface) uint16 {
	if i.Loopback {
		return unix.ARPHRD_LOOPBACK
	}
	return unix.ARPHRD_ETHER
}

// HardwareBroadcast is the broadcast address of the link: zeros for lo.
func HardwareBroadcast(i stack.Interface) [HardwareAddrLen]byte {
	if i.Loopback {
		return [HardwareAddrLen]byte{}
	}
	return [HardwareAddrLen]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
}

// Broadcast is the IPv4 broadcast address that goes with address p of
// interface i: the last of its network. Invalid where there is none: IPv6, lo,
// /31 and /32.
func Broadcast(i stack.Interface, p netip.Prefix) netip.Addr {
	if i.Loopback || !p.Addr().Is4() || p.Bits() > 30 {
		return netip.Addr{}
	}
	return Last(p)
}

// Last is the last address of an IPv4 network.
func Last(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	b := binary.BigEndian.Uint32(a[:]) | ^binary.BigEndian.Uint32(Netmask(p))
	binary.BigEndian.PutUint32(a[:], b)
	return netip.AddrFrom4(a)
}

// Netmask is the mask of an IPv4 network, four bytes in network order.
func Netmask(p netip.Prefix) []byte {
	return binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Bits()))
}

// ScopeOf is the RT_SCOPE_* of an address, as the kernel gives it to an IPv6
// address by its kind and as is usual for an IPv4 one.
func ScopeOf(a netip.Addr) uint8 {
	switch {
	case a.IsLoopback():
		return unix.RT_SCOPE_HOST
	case a.IsLinkLocalUnicast() && a.Is6():
		return unix.RT_SCOPE_LINK
	}
	return unix.RT_SCOPE_UNIVERSE
}
