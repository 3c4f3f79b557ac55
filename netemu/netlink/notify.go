package netlink

import (
	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
)

// Groups that are told of changes (enum rtnetlink_groups, <linux/rtnetlink.h>).
const (
	groupLink        = 1
	groupIPv4IfAddr  = 5
	groupIPv4Route   = 7
	groupIPv6IfAddr  = 9
	groupIPv6Route   = 11
	groupIPv6IfInfo  = 12
	kindNewToDeleted = 1 // from RTM_NEW* to RTM_DEL*
)

// notify tells the members of an event's group, and the socket that has asked
// for the change and wants an echo (nlmsg_notify, net/netlink/af_netlink.c).
func (s *Server) notify(e rtnl.Event) {
	group, r := notification(e)
	header := nl.Header{}
	x := exchange{}
	if e.By != nil {
		header.Sequence, x.port = e.By.Sequence, e.By.Port
	}
	b := x.message(header, r.typ, e.Flags, r.data)
	echo := e.By != nil && e.By.Flags&unix.NLM_F_ECHO != 0
	for _, c := range s.routeSockets() {
		own := echo && c.hasPort(e.By.Port)
		switch {
		case own:
			c.deliver(b, 0)
		case c.isMember(group):
			c.deliver(b, group)
		}
	}
}

// routeSockets lists the open sockets of NETLINK_ROUTE.
func (s *Server) routeSockets() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Conn
	for c := range s.conns {
		if c.protocol == unix.NETLINK_ROUTE {
			all = append(all, c)
		}
	}
	return all
}

// notification is an event's group and message.
func notification(e rtnl.Event) (group int, r row) {
	switch {
	case e.Link != nil && e.Inet6:
		group, r = groupIPv6IfInfo, linkRow6(*e.Link)
	case e.Link != nil:
		group, r = groupLink, linkRow(*e.Link, 0)
		putChange(r.data, e.Change)
	case e.Address != nil && e.Address.Addr().Is4():
		group, r = groupIPv4IfAddr, addrRow4(e.Interface, *e.Address)
	case e.Address != nil:
		group, r = groupIPv6IfAddr, addrRow6(e.Interface, *e.Address)
	case e.Route.Dst.Addr().Is4():
		group, r = groupIPv4Route, routeRow(*e.Route)
	default:
		group, r = groupIPv6Route, routeRow(*e.Route)
	}
	if e.Deleted {
		r.typ += kindNewToDeleted
	}
	return group, r
}

func (c *Conn) hasPort(port uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.port == port
}

func (c *Conn) isMember(group int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && c.groups&(1<<(group-1)) != 0
}

func (c *Conn) deliver(b []byte, group int) {
	if c.Deliver != nil {
		c.Deliver(b, group)
	}
}
