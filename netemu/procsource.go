package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/netemu/netlink"
	"netbox/netemu/procfs"
	"netbox/netemu/stack"
)

// procSource tells procfs of the sandbox.
type procSource struct{ e *Emulator }

var _ procfs.Source = procSource{}

func (p procSource) Interfaces() []stack.Interface { return p.e.stack.Interfaces() }
func (p procSource) Routes() []stack.Route         { return p.e.stack.Routes() }
func (p procSource) Groups() []stack.Group         { return p.e.stack.Groups() }
func (p procSource) Limits() stack.Limits          { return p.e.stack.Limits() }

// Counters are netstack's, which has counted as received what an inbox dropped.
func (p procSource) Counters() map[string]uint64 {
	c := p.e.stack.Counters()
	drops := p.e.udpDrops.Load()
	c["UdpInDatagrams"] -= min(drops, c["UdpInDatagrams"])
	c["UdpInErrors"] += drops
	c["UdpRcvbufErrors"] += drops
	return c
}

func (p procSource) Sockets(table, family uint8) []netlink.Socket {
	return inventory(p).Sockets(table, family)
}

func (p procSource) NetlinkSockets() []procfs.NetlinkSocket {
	var list []procfs.NetlinkSocket
	for _, s := range p.e.reg.all() {
		d, ok := s.(*datagram)
		if !ok || !d.sur.Alive() {
			continue
		}
		if n, ok := d.tr.(*netlinkTransport); ok {
			port, groups := n.conn.Local()
			list = append(list, procfs.NetlinkSocket{
				Protocol: d.idn.protocol, PortID: port, Groups: groups, Inode: d.idn.inode,
			})
		}
	}
	return list
}

// isEcho says whether a datagram socket is for ICMP echo.
func isEcho(id *identity) bool {
	return id.typ == unix.SOCK_DGRAM && (id.protocol == unix.IPPROTO_ICMP || id.protocol == unix.IPPROTO_ICMPV6)
}
