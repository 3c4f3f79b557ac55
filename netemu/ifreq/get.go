package ifreq

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netdev"
	"netbox/netemu/stack"
)

// splitAlias takes "eth0:1" apart: the interface, and whether it is an alias.
func splitAlias(name string) (string, bool) {
	name, _, alias := strings.Cut(name, ":")
	return name, alias
}

func (c *call) putUint32(v uint32) unix.Errno {
	binary.NativeEndian.PutUint32(c.req.Data(), v)
	return 0
}

func getIndex(c *call) unix.Errno      { return c.putUint32(uint32(c.link.Index)) }
func getMetric(c *call) unix.Errno     { return c.putUint32(0) }
func getMTU(c *call) unix.Errno        { return c.putUint32(uint32(c.link.MTU)) }
func getTxQueueLen(c *call) unix.Errno { return c.putUint32(uint32(c.link.TxQueueLen)) }

func getFlags(c *call) unix.Errno {
	binary.NativeEndian.PutUint16(c.req.Data(), uint16(netdev.Flags(c.link)))
	return 0
}

// getHardwareAddr fills in ifr_hwaddr: the type as the family, then the
// address.
func getHardwareAddr(c *call) unix.Errno {
	binary.NativeEndian.PutUint16(c.req.Data(), netdev.HardwareType(c.link))
	copy(c.req.Data()[2:], c.link.HardwareAddr[:])
	return 0
}

// sizeofIfmapFields is the size of struct ifmap (<linux/if.h>) without the
// padding at its end, in bytes.
const sizeofIfmapFields = 21

// getMap fills in ifr_map: no interface has memory, ports or interrupts.
func getMap(c *call) unix.Errno {
	clear(c.req.Data()[:sizeofIfmapFields])
	return 0
}

// getName fills in ifr_name for ifr_ifindex.
func getName(c *call) unix.Errno {
	index := int32(binary.NativeEndian.Uint32(c.req.Data()))
	for _, link := range c.source.Interfaces() {
		if link.Index == index {
			c.req.SetName(link.Name)
			return 0
		}
	}
	return unix.ENODEV
}

// getAddr answers SIOCGIFADDR, and SIOCGIFDSTADDR, which is the same on
// interfaces that are no point-to-point links.
func getAddr(c *call) unix.Errno {
	return c.address(func(p stack.Address) []byte { return p.Addr().AsSlice() })
}

func getBroadcast(c *call) unix.Errno {
	return c.address(func(p stack.Address) []byte {
		if p.Broadcast.IsValid() {
			return p.Broadcast.AsSlice()
		}
		return make([]byte, 4)
	})
}

func getNetmask(c *call) unix.Errno {
	return c.address(func(p stack.Address) []byte { return netdev.Netmask(p.Prefix) })
}

// address fills in a struct sockaddr_in with what is asked of the interface's
// address that is labelled as the program says: the one that it put there, or
// the first (devinet_ioctl, net/ipv4/devinet.c). EADDRNOTAVAIL: there is none.
func (c *call) address(what func(stack.Address) []byte) unix.Errno {
	asked, errno := abi.ParseSockaddr(c.req.Data()[:abi.SizeofSockaddrInet4])
	var found stack.Address
	for _, p := range addrs4(c.link) {
		if p.Label != c.req.Name() {
			continue
		}
		exact := errno == 0 && asked.Family == unix.AF_INET && p.Addr() == asked.Addr.Addr()
		if exact || !found.IsValid() {
			found = p
		}
	}
	if !found.IsValid() {
		return unix.EADDRNOTAVAIL
	}
	copy(c.req.Data(), sockaddr(what(found)))
	return 0
}

func addrs4(link stack.Interface) []stack.Address {
	var all []stack.Address
	for _, p := range link.Addrs {
		if p.Addr().Is4() {
			all = append(all, p)
		}
	}
	return all
}

// sockaddr is a struct sockaddr_in with a four-byte address.
func sockaddr(addr []byte) []byte {
	a := netip.AddrPortFrom(netip.AddrFrom4([4]byte(addr)), 0)
	return abi.Sockaddr{Family: unix.AF_INET, Addr: a}.Bytes()
}

// getConf answers SIOCGIFCONF: one struct ifreq for each IPv4 address, as many
// as fit; with a null buffer, the size of all.
func getConf(c *call) unix.Errno {
	b := make([]byte, abi.SizeofIfconf)
	if errno := c.mem.ReadMemory(c.arg, b); errno != 0 {
		return errno
	}
	conf, errno := abi.ParseIfconf(b)
	if errno != 0 {
		return errno
	}
	var all bytes.Buffer
	for _, link := range c.source.Interfaces() {
		for _, p := range addrs4(link) {
			var req abi.Ifreq
			req.SetName(p.Label)
			copy(req.Data(), sockaddr(p.Addr().AsSlice()))
			all.Write(req[:])
		}
	}
	size := all.Len()
	if conf.Buf != 0 {
		size = min(size, max(0, int(conf.Len))/abi.SizeofIfreq*abi.SizeofIfreq)
		if size > 0 {
			if errno := c.mem.WriteMemory(conf.Buf, all.Bytes()[:size]); errno != 0 {
				return errno
			}
		}
	}
	return c.writeInt(int32(size))
}

// ethtool answers SIOCETHTOOL as a device without any ethtool command:
// EOPNOTSUPP, after the checks that come before it in dev_ethtool.
func ethtool(c *call) unix.Errno {
	return c.edit(func(c *call) unix.Errno {
		var command [4]byte
		if errno := c.mem.ReadMemory(binary.NativeEndian.Uint64(c.req.Data()), command[:]); errno != 0 {
			return errno
		}
		name, _ := splitAlias(c.req.Name())
		for _, link := range c.source.Interfaces() {
			if link.Name == name {
				return unix.EOPNOTSUPP
			}
		}
		return unix.ENODEV
	})
}

// sizeofArpreq is sizeof(struct arpreq) (<linux/if_arp.h>), in bytes;
// offsetArpreqDev is where its interface name is.
const (
	sizeofArpreq    = 68
	offsetArpreqDev = 52
)

// getARP answers SIOCGARP: nobody's hardware address is known (ENXIO). The
// protocol address must be one of IPv4 (EPFNOSUPPORT), the interface must be
// there (ENODEV).
func getARP(c *call) unix.Errno {
	b := make([]byte, sizeofArpreq)
	if errno := c.mem.ReadMemory(c.arg, b); errno != 0 {
		return errno
	}
	if family, errno := abi.Family(b); errno != 0 || family != unix.AF_INET {
		return unix.EPFNOSUPPORT
	}
	device, _, _ := bytes.Cut(b[offsetArpreqDev:offsetArpreqDev+unix.IFNAMSIZ], []byte{0})
	for _, link := range c.source.Interfaces() {
		if link.Name == string(device) {
			return unix.ENXIO
		}
	}
	return unix.ENODEV
}
