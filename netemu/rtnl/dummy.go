package rtnl

import (
	"crypto/rand"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// Dummy is the kind of link that can be made: a device that leads nowhere.
const Dummy = "dummy"

// maxLinks bounds the links of a host: each is a NIC of netstack, some hundred
// kilobytes.
const maxLinks = 64

// Facts of a dummy device (drivers/net/dummy.c): Ethernet's MTU in bytes, and
// DEFAULT_TX_QUEUE_LEN (include/net/pkt_sched.h) packets.
const (
	dummyMTU        = 1500
	dummyTxQueueLen = 1000
)

// AddDummy makes a dummy device, with the index if it is not 0, and sets it.
func (h *Host) AddDummy(by Request, index int32, l LinkChange) *Refusal {
	return h.do(by, func(c *change) *Refusal {
		link := stack.Interface{
			Index: index, Kind: Dummy, Flags: unix.IFF_BROADCAST | unix.IFF_NOARP, MTU: dummyMTU, TxQueueLen: dummyTxQueueLen,
		}
		if failure := c.nameLink(&link, l.Name); failure != nil {
			return failure
		}
		if l.Name = nil; l.HardwareAddr == nil {
			rand.Read(link.HardwareAddr[:])
			link.HardwareAddr[0] = link.HardwareAddr[0]&^1 | 2 // eth_random_addr
		}
		if len(c.links) >= maxLinks {
			return Refuse(unix.ENOMEM, "netbox: too many links")
		}
		if index == 0 {
			link.Index = h.newIndex(c)
		}
		// Set before anybody hears of it.
		quiet := &change{by: c.by}
		for _, step := range []func(*stack.Interface, LinkChange) *Refusal{
			quiet.setHardwareAddr, quiet.setMTU, quiet.setGroup, quiet.setTxQueueLen,
		} {
			if failure := step(&link, l); failure != nil {
				return failure
			}
		}
		c.links = append(c.links, link)
		made := &c.links[len(c.links)-1]
		c.linkEvent(made, math.MaxUint32)
		c.setFlags(made, LinkChange{Flags: l.Flags, Mask: l.Mask})
		return nil
	})
}

// newIndex is an index that no link has nor had, as long as there is one.
func (h *Host) newIndex(c *change) int32 {
	for _, link := range c.links {
		h.made = max(h.made, link.Index)
	}
	for h.made++; h.made < 1 || c.link(h.made) != nil; {
		if h.made++; h.made < 1 {
			h.made = 1
		}
	}
	return h.made
}

// nameLink names a new link: as asked for, or the first free one of its kind.
func (c *change) nameLink(link *stack.Interface, name *string) *Refusal {
	switch {
	case name != nil && !validName(*name):
		return Refuse(unix.EINVAL, "")
	case name != nil && c.linkNamed(*name) != nil, link.Index != 0 && c.link(link.Index) != nil:
		return Refuse(unix.EEXIST, "")
	case name != nil:
		link.Name = *name
		return nil
	}
	for n := 0; ; n++ {
		if link.Name = fmt.Sprintf("%s%d", link.Kind, n); c.linkNamed(link.Name) == nil {
			return nil
		}
	}
}

// DeleteLink is RTM_DELLINK. lo and eth0 can't go: EOPNOTSUPP.
func (h *Host) DeleteLink(by Request, index int32) *Refusal {
	return h.do(by, func(c *change) *Refusal {
		link := c.link(index)
		switch {
		case link == nil:
			return Refuse(unix.ENODEV, "")
		case link.Kind == "":
			return Refuse(unix.EOPNOTSUPP, "")
		}
		c.setFlags(link, LinkChange{Mask: unix.IFF_UP})
		c.stopInet6(link)
		for len(link.Addrs) > 0 {
			c.deleteAddress4(link, 0)
		}
		c.flushRoutes(func(r stack.Route) bool { return r.NIC == index })
		l := *link
		c.links = slices.DeleteFunc(c.links, func(o stack.Interface) bool { return o.Index == index })
		c.events = append(c.events, Event{Link: &l, Deleted: true, Change: math.MaxUint32})
		return nil
	})
}
