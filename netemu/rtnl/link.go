package rtnl

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// LinkChange is what a RTM_NEWLINK or RTM_SETLINK changes of a link; nil
// leaves it.
type LinkChange struct {
	HardwareAddr []byte
	MTU          *uint32
	Group        *uint32
	Name         *string
	Alias        *string
	TxQueueLen   *uint32
	// Flags are the wanted IFF_* of those in Mask.
	Flags, Mask uint32
}

// SetLink changes the link index, as do_setlink does (net/core/rtnetlink.c):
// what came before a failure stays changed.
func (h *Host) SetLink(by Request, index int32, l LinkChange) *Refusal {
	return h.do(by, func(c *change) *Refusal {
		link := c.link(index)
		if link == nil {
			return Refuse(unix.ENODEV, "")
		}
		for _, step := range []func(*stack.Interface, LinkChange) *Refusal{
			c.setHardwareAddr, c.setMTU, c.setGroup, c.setName, c.setAlias, c.setFlags, c.setTxQueueLen,
		} {
			if failure := step(link, l); failure != nil {
				return failure
			}
		}
		return nil
	})
}

func (c *change) setHardwareAddr(link *stack.Interface, l LinkChange) *Refusal {
	if l.HardwareAddr == nil {
		return nil
	}
	if len(l.HardwareAddr) < len(link.HardwareAddr) {
		return Refuse(unix.EINVAL, "")
	}
	mac := [6]byte(l.HardwareAddr)
	if mac[0]&1 != 0 || mac == [6]byte{} {
		return Refuse(unix.EADDRNOTAVAIL, "") // eth_prepare_mac_addr_change
	}
	link.HardwareAddr = mac
	c.linkEvent(link, 0)
	return nil
}

// Bounds of the MTU (<linux/if_ether.h>): ETH_MIN_MTU, ETH_MAX_MTU. lo's is
// limited by its type only.
const (
	minMTU = 68
	maxMTU = 65535
)

// setMTU is dev_set_mtu_ext. Below the 1280 bytes that IPv6 needs a link has
// no IPv6 (addrconf_notify).
func (c *change) setMTU(link *stack.Interface, l LinkChange) *Refusal {
	if l.MTU == nil || int(*l.MTU) == link.MTU {
		return nil
	}
	mtu := int(*l.MTU)
	switch {
	case int32(*l.MTU) < 0 || !link.Loopback && mtu < minMTU:
		return Refuse(unix.EINVAL, "mtu less than device minimum")
	case !link.Loopback && mtu > maxMTU:
		return Refuse(unix.EINVAL, "mtu greater than device maximum")
	}
	had := hasInet6(link)
	link.MTU = mtu
	c.linkEvent(link, 0)
	switch {
	case had && !hasInet6(link):
		c.stopInet6(link)
	case !had && hasInet6(link) && link.Up:
		c.startInet6(link)
	}
	return nil
}

func (c *change) setGroup(link *stack.Interface, l LinkChange) *Refusal {
	if l.Group != nil {
		link.Group = *l.Group
		c.linkEvent(link, 0)
	}
	return nil
}

// setName is dev_change_name. Labels follow the name (inetdev_changename).
func (c *change) setName(link *stack.Interface, l LinkChange) *Refusal {
	if l.Name == nil || *l.Name == link.Name {
		return nil
	}
	name := *l.Name
	switch {
	case !validName(name):
		return Refuse(unix.EINVAL, "")
	case c.linkNamed(name) != nil:
		return Refuse(unix.EEXIST, "")
	}
	link.Name = name
	c.linkEvent(link, 0)
	named := 0
	for i, a := range link.Addrs {
		if a.Addr().Is4() {
			named++
			a.Label = newLabel(a.Label, name, named)
			link.Addrs[i] = a
			c.events = append(c.events, Event{Address: &a, Interface: *link})
		}
	}
	return nil
}

// newLabel is the label of the n-th address of a link that is called name now:
// the name, and for all but the first what followed the old one, or n.
func newLabel(old, name string, n int) string {
	if n == 1 {
		return name
	}
	_, alias, found := strings.Cut(old, ":")
	if !found {
		alias = strconv.Itoa(n)
	}
	return name[:min(len(name), unix.IFNAMSIZ-2-len(alias))] + ":" + alias
}

// validName is dev_valid_name (net/core/dev.c) and sysctl_dev_name_is_allowed
// (include/linux/inetdevice.h).
func validName(name string) bool {
	if name == "all" || name == "default" {
		return false
	}
	return name != "" && len(name) < unix.IFNAMSIZ && name != "." && name != ".." && !strings.ContainsAny(name, "/: \t\n\v\f\r")
}

func (c *change) setAlias(link *stack.Interface, l LinkChange) *Refusal {
	if l.Alias != nil {
		link.Alias = *l.Alias
		c.linkEvent(link, 0)
	}
	return nil
}

func (c *change) setTxQueueLen(link *stack.Interface, l LinkChange) *Refusal {
	if l.TxQueueLen == nil || int(*l.TxQueueLen) == link.TxQueueLen {
		return nil
	}
	link.TxQueueLen = int(*l.TxQueueLen)
	c.linkEvent(link, 0)
	return nil
}

// settable are the flags that __dev_change_flags lets a program change besides
// IFF_UP.
const settable = unix.IFF_DEBUG | unix.IFF_NOTRAILERS | unix.IFF_NOARP | unix.IFF_DYNAMIC | unix.IFF_MULTICAST |
	unix.IFF_PORTSEL | unix.IFF_AUTOMEDIA | unix.IFF_PROMISC | unix.IFF_ALLMULTI

func (c *change) setFlags(link *stack.Interface, l LinkChange) *Refusal {
	old := link.Flags
	mask := l.Mask & settable
	link.Flags = old&^mask | l.Flags&mask
	changed := old ^ link.Flags
	up := l.Flags&unix.IFF_UP != 0
	if l.Mask&unix.IFF_UP != 0 && up != link.Up {
		link.Up = up
		c.linkEvent(link, changed|unix.IFF_UP)
		c.turned(link)
	} else if changed != 0 {
		c.linkEvent(link, changed)
	}
	return nil
}

// turned does what follows when a link has come up or gone down.
func (c *change) turned(link *stack.Interface) {
	if !link.Up {
		index := link.Index
		// fib_sync_down_dev: the local rows stay.
		c.flushRoutes(func(r stack.Route) bool {
			return r.NIC == index && r.Dst.Addr().Is4() && r.Type != unix.RTN_LOCAL
		})
		c.stopInet6(link)
		return
	}
	for _, a := range link.Addrs {
		if a.Addr().Is4() {
			c.announce4(link, a, primaryOf(link, a))
		}
	}
	if hasInet6(link) {
		c.startInet6(link)
	}
}
