// Package host is the uplink whose programs have the host's own TCP and UDP sockets
// for what is outside, at the speed of those. Everything else is as with package nat,
// which it is made of: the link, the gateway, ICMP, published ports, and all that a
// socket of the sandbox's own stack sends.
//
// The emulation asks [Uplink.Reach] about each address that a program wants to reach
// by such a socket. It permits what nat's guard does, and tells the address that the
// host uses for it; what is answered within the sandbox or at its gateway it does
// not: for that the emulation puts a socket of the sandbox's stack in the place of
// the host's (netemu/direct.go).
package host

import (
	"net/netip"
	"slices"

	"netbox/netemu/uplink"
	"netbox/netemu/uplink/nat"
)

// Uplink is the uplink. It implements uplink.Uplink and uplink.Drainer.
type Uplink struct {
	*nat.NAT
	renames bool
	kept    []netip.AddrPort
}

// New prepares the uplink. What is sent to the addresses kept goes to listeners on
// [nat.NAT.Stack]: the sandbox's resolver.
func New(c nat.Config, kept ...netip.AddrPort) *Uplink {
	return &Uplink{NAT: nat.New(c), renames: c.HostLoopback, kept: kept}
}

// Reach says whether a socket of the host's may be used for dst, and where that is
// on the host. An IPv4 address is not v4-mapped.
func (u *Uplink) Reach(dst netip.AddrPort) (netip.AddrPort, bool) {
	if slices.Contains(u.kept, dst) {
		return netip.AddrPort{}, false
	}
	a, ok := u.Permit(dst.Addr())
	return netip.AddrPortFrom(a, dst.Port()), ok
}

// Renames says whether there are addresses that the sandbox sees by another name
// than the host.
func (u *Uplink) Renames() bool { return u.renames }

// Seen is how the sandbox sees an address of the host's: its loopback is
// host.netbox. Only what Reach gave is asked for.
func (u *Uplink) Seen(a netip.Addr) netip.Addr {
	switch {
	case !u.renames || !a.IsLoopback():
		return a
	case a.Is4():
		return uplink.Gateway4
	}
	return uplink.Gateway6
}

// Own is the sandbox's address that stands for any of the host's own.
func (u *Uplink) Own(a netip.Addr) netip.Addr {
	if a.Is4() {
		return uplink.Host4
	}
	return uplink.Host6
}
