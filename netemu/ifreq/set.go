package ifreq

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netdev"
	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// change is a request that changes something: EPERM for those who may not.
func change(do func(c *call, h *rtnl.Host) unix.Errno) func(*call) unix.Errno {
	return func(c *call) unix.Errno {
		h := c.set()
		if h == nil {
			return unix.EPERM
		}
		return do(c, h)
	}
}

// changeDevice is change for the interface that ifr_name names. ENODEV: there is
// none.
func changeDevice(do func(c *call, h *rtnl.Host) unix.Errno) func(*call) unix.Errno {
	return change(func(c *call, h *rtnl.Host) unix.Errno {
		return c.device(func(c *call) unix.Errno { return do(c, h) })
	})
}

func errnoOf(r *rtnl.Refusal) unix.Errno {
	if r == nil {
		return 0
	}
	return r.Errno
}

// setLink changes the interface.
func (c *call) setLink(h *rtnl.Host, l rtnl.LinkChange) unix.Errno {
	return errnoOf(h.SetLink(rtnl.Request{}, c.link.Index, l))
}

// setFlags is SIOCSIFFLAGS. An alias that is not to be up is an address that
// goes (devinet_ioctl, net/ipv4/devinet.c).
func setFlags(c *call, h *rtnl.Host) unix.Errno {
	flags := uint32(binary.NativeEndian.Uint16(c.req.Data()))
	if _, alias := splitAlias(c.req.Name()); alias {
		a, found := c.labelled()
		switch {
		case !found:
			return unix.EADDRNOTAVAIL
		case flags&unix.IFF_UP == 0:
			return c.deleteAddress(h, a)
		}
		return 0
	}
	return c.setLink(h, rtnl.LinkChange{Flags: flags, Mask: 0xffff})
}

func setMTU(c *call, h *rtnl.Host) unix.Errno {
	mtu := binary.NativeEndian.Uint32(c.req.Data())
	return c.setLink(h, rtnl.LinkChange{MTU: &mtu})
}

func setTxQueueLen(c *call, h *rtnl.Host) unix.Errno {
	length := binary.NativeEndian.Uint32(c.req.Data())
	if int32(length) < 0 {
		return unix.EINVAL
	}
	return c.setLink(h, rtnl.LinkChange{TxQueueLen: &length})
}

// setHardwareAddr is SIOCSIFHWADDR: the family must be the interface's type.
func setHardwareAddr(c *call, h *rtnl.Host) unix.Errno {
	if binary.NativeEndian.Uint16(c.req.Data()) != netdev.HardwareType(c.link) {
		return unix.EINVAL
	}
	return c.setLink(h, rtnl.LinkChange{HardwareAddr: c.req.Data()[2 : 2+netdev.HardwareAddrLen]})
}

// setName is SIOCSIFNAME: ifr_newname.
func setName(c *call, h *rtnl.Host) unix.Errno {
	name, _, _ := strings.Cut(string(c.req.Data()[:unix.IFNAMSIZ-1]), "\x00")
	if name == "" {
		return unix.EINVAL
	}
	return c.setLink(h, rtnl.LinkChange{Name: &name})
}

// labelled is the address whose label is ifr_name.
func (c *call) labelled() (stack.Address, bool) {
	i := slices.IndexFunc(c.link.Addrs, func(a stack.Address) bool { return a.Addr().Is4() && a.Label == c.req.Name() })
	if i < 0 {
		return stack.Address{}, false
	}
	return c.link.Addrs[i], true
}

func (c *call) deleteAddress(h *rtnl.Host, a stack.Address) unix.Errno {
	return errnoOf(h.DeleteAddress4(rtnl.Request{}, c.link.Index, rtnl.AddressSelector{Local: a.Addr(), Label: a.Label}))
}

// replaceAddress puts b where a was; the zero a was nowhere.
func (c *call) replaceAddress(h *rtnl.Host, a, b stack.Address) unix.Errno {
	if a.IsValid() {
		if errno := c.deleteAddress(h, a); errno != 0 {
			return errno
		}
	}
	return errnoOf(h.AddAddress(rtnl.Request{Flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL}, c.link.Index, b))
}

// withAddress makes a handler of what works on the IPv4 address in the union
// and the address that is labelled ifr_name (the zero one if there is none).
// EINVAL: the union has no IPv4 address.
func withAddress(do func(c *call, h *rtnl.Host, ip netip.Addr, old stack.Address) unix.Errno) func(*call) unix.Errno {
	return change(func(c *call, h *rtnl.Host) unix.Errno {
		return c.edit(func(c *call) unix.Errno {
			sa, errno := abi.ParseSockaddr(c.req.Data()[:abi.SizeofSockaddrInet4])
			if errno != 0 || sa.Family != unix.AF_INET {
				return unix.EINVAL
			}
			return c.named(func(c *call) unix.Errno {
				old, _ := c.labelled()
				return do(c, h, sa.Addr.Addr(), old)
			})
		})
	})
}

// needsOld refuses an interface without an address: EADDRNOTAVAIL.
func needsOld(do func(c *call, h *rtnl.Host, ip netip.Addr, old stack.Address) unix.Errno) func(*call, *rtnl.Host, netip.Addr, stack.Address) unix.Errno {
	return func(c *call, h *rtnl.Host, ip netip.Addr, old stack.Address) unix.Errno {
		if !old.IsValid() {
			return unix.EADDRNOTAVAIL
		}
		return do(c, h, ip, old)
	}
}

// setAddr is SIOCSIFADDR: the network is that of the address's class.
func setAddr(c *call, h *rtnl.Host, ip netip.Addr, old stack.Address) unix.Errno {
	bits := classBits(ip)
	switch {
	case bits < 0:
		return unix.EINVAL
	case ip == old.Addr():
		return 0
	}
	a := stack.Address{Prefix: netip.PrefixFrom(ip, bits), Label: c.req.Name(), Valid: stack.Forever, Preferred: stack.Forever}
	if ip.IsLoopback() {
		a.Scope = unix.RT_SCOPE_HOST
	}
	a.Broadcast = c.broadcast(a.Prefix)
	return c.replaceAddress(h, old, a)
}

// classBits is the length of the network that an address is in by its class
// (inet_abc_len); -1 for a group.
func classBits(ip netip.Addr) int {
	first := ip.As4()[0]
	switch {
	case first == 0, ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return 0
	case first < 128:
		return 8
	case first < 192:
		return 16
	case first < 224:
		return 24
	case first < 240:
		return -1
	}
	return 32
}

// broadcast is the last address of a network, where the interface has any.
func (c *call) broadcast(p netip.Prefix) netip.Addr {
	if c.link.Flags&unix.IFF_BROADCAST == 0 || p.Bits() >= 31 || p.Bits() == 0 {
		return netip.Addr{}
	}
	ip, mask := p.Addr().As4(), netdev.Netmask(p)
	for i := range ip {
		ip[i] |= ^mask[i]
	}
	return netip.AddrFrom4(ip)
}

// setBroadcast is SIOCSIFBRDADDR.
func setBroadcast(c *call, h *rtnl.Host, ip netip.Addr, old stack.Address) unix.Errno {
	a := old
	a.Broadcast = ip
	if ip.IsUnspecified() {
		a.Broadcast = netip.Addr{}
	}
	if a == old {
		return 0
	}
	return c.replaceAddress(h, old, a)
}

// setNetmask is SIOCSIFNETMASK. A broadcast address that was the old network's
// last becomes the new one's.
func setNetmask(c *call, h *rtnl.Host, mask netip.Addr, old stack.Address) unix.Errno {
	bits, ok := maskBits(mask)
	switch {
	case !ok:
		return unix.EINVAL
	case bits == old.Bits():
		return 0
	}
	a := old
	a.Prefix = netip.PrefixFrom(old.Addr(), bits)
	if old.Broadcast.IsValid() && old.Broadcast == c.broadcast(old.Prefix) {
		a.Broadcast = c.broadcast(a.Prefix)
	}
	return c.replaceAddress(h, old, a)
}

// maskBits is the length of a mask without holes.
func maskBits(mask netip.Addr) (int, bool) {
	b := mask.As4()
	bits := 32
	for ; bits > 0 && b[(bits-1)/8]&(0x80>>((bits-1)%8)) == 0; bits-- {
	}
	return bits, string(netdev.Netmask(netip.PrefixFrom(mask, bits))) == string(b[:])
}

// sizeofIn6Ifreq is sizeof(struct in6_ifreq) (<linux/ipv6.h>), in bytes.
const sizeofIn6Ifreq = 24

// in6Ifreq reads a struct in6_ifreq: address, length of its prefix, interface.
func (c *call) in6Ifreq() (netip.Prefix, int32, unix.Errno) {
	b := make([]byte, sizeofIn6Ifreq)
	if errno := c.mem.ReadMemory(c.arg, b); errno != 0 {
		return netip.Prefix{}, 0, errno
	}
	bits := binary.NativeEndian.Uint32(b[16:])
	if bits > 128 {
		return netip.Prefix{}, 0, unix.EINVAL
	}
	return netip.PrefixFrom(netip.AddrFrom16([16]byte(b)), int(bits)), int32(binary.NativeEndian.Uint32(b[20:])), 0
}

// addAddr6 is SIOCSIFADDR on an IPv6 socket (addrconf_add_ifaddr).
func addAddr6(c *call, h *rtnl.Host) unix.Errno {
	p, index, errno := c.in6Ifreq()
	if errno != 0 {
		return errno
	}
	a := stack.Address{Prefix: p, Valid: stack.Forever, Preferred: stack.Forever}
	if p.Addr().IsLinkLocalUnicast() {
		a.Scope = unix.RT_SCOPE_LINK
	}
	return errnoOf(h.AddAddress(rtnl.Request{Flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL}, index, a))
}

// deleteAddr6 is SIOCDIFADDR (addrconf_del_ifaddr).
func deleteAddr6(c *call, h *rtnl.Host) unix.Errno {
	p, index, errno := c.in6Ifreq()
	if errno != 0 {
		return errno
	}
	return errnoOf(h.DeleteAddress6(rtnl.Request{}, index, p))
}
