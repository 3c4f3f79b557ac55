// Package netdev says what Linux tells of an interface beyond what the stack
// knows of it, so that netlink, the SIOC* ioctls and /proc/net tell the same.
package netdev

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// HardwareAddrLen is the length of MAC-48 addresses, in bytes.
const HardwareAddrLen = 6

// Flags are the IFF_* flags as netlink tells them (ifi_flags, 32 bits); the
// ioctls tell the low 16 bits.
func Flags(i stack.Interface) uint32 {
	if i.Up {
		return i.Flags | unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP
	}
	return i.Flags
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

// Netmask is the mask of an IPv4 network, four bytes in network order.
func Netmask(p netip.Prefix) []byte {
	return binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Bits()))
}
