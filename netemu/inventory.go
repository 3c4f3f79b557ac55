package netemu

import (
	"cmp"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netlink"
	"netbox/netemu/stack"
)

// inventory tells the netlink server the sandbox's sockets, as ss(8) lists
// them: those of living surrogates, and the connections that tasks have closed
// and that are not over.
type inventory struct{ e *Emulator }

var _ netlink.Sockets = inventory{}

// Sockets implements netlink.Sockets. It changes nothing: a socket whose
// surrogate was closed is left out, not ended, since a netlink socket may be
// among them and is in use here.
func (v inventory) Sockets(table, family uint8) []netlink.Socket {
	var list []netlink.Socket
	add := func(row netlink.Socket, ok bool) {
		if ok {
			list = append(list, row)
		}
	}
	for _, s := range v.e.reg.all() {
		if family != unix.AF_UNSPEC && s.id().family != int(family) {
			continue
		}
		switch s := s.(type) {
		case *stream:
			if table == unix.IPPROTO_TCP {
				add(s.row())
			}
		case *datagram:
			if tableOf(&s.idn) == table {
				add(s.row())
			}
		}
	}
	slices.SortFunc(list, func(a, b netlink.Socket) int { return cmp.Compare(a.Cookie, b.Cookie) })
	if table == unix.IPPROTO_TCP {
		list = append(list, v.e.linger.rows()...)
	}
	return list
}

// tableOf is the table that a datagram socket is in: 0 for netlink and packet
// sockets. That of ICMP echo sockets is in /proc/net only.
func tableOf(id *identity) uint8 {
	switch {
	case id.family == unix.AF_NETLINK, id.family == unix.AF_PACKET:
		return 0
	case id.typ == unix.SOCK_RAW:
		return unix.IPPROTO_RAW
	case id.protocol == unix.IPPROTO_UDP:
		return unix.IPPROTO_UDP
	case isEcho(id):
		return uint8(id.protocol)
	}
	return 0
}

// States of sockets (<net/tcp_states.h>).
const (
	stateEstablished = 1
	stateSynSent     = 2
	stateListen      = 10
)

// rowOf is what every kind of socket tells. The inode serves as cookie: the
// kernel gives it out once.
func rowOf(id *identity, ep *stack.Endpoint) netlink.Socket {
	r := netlink.Socket{
		Family: uint8(id.family), Protocol: uint8(id.protocol), Raw: id.typ == unix.SOCK_RAW,
		Cookie: id.inode, Inode: uint32(id.inode),
		UID: uint32(os.Getuid()), // netbox runs its program as itself
	}
	number := func(o stack.IntOption) int { v, _ := ep.GetInt(o); return max(v, 0) }
	on := func(o stack.BoolOption) bool { v, _ := ep.GetBool(o); return v }
	r.Interface = uint32(number(stack.BindToDevice))
	r.ReceiveQueue = uint32(number(stack.ReceiveQueueSize))
	r.ReceiveBuffer, r.SendBuffer = uint32(number(stack.ReceiveBuffer)), uint32(number(stack.SendBuffer))
	r.TOS = uint8(number(stack.TOS))
	if id.family == unix.AF_INET6 {
		r.TrafficClass, r.V6Only = uint8(number(stack.TClass)), on(stack.V6Only)
	} else if on(stack.MulticastAll4) {
		r.Options |= netlink.OptionMulticastAll
	}
	for option, bit := range map[stack.BoolOption]uint16{
		stack.RecvErr4: netlink.OptionRecvErr, stack.HeaderIncluded: netlink.OptionHdrIncl,
		stack.MulticastLoop: netlink.OptionMulticastLoop,
	} {
		if on(option) {
			r.Options |= bit
		}
	}
	return r
}

// row describes a stream; false if Linux would have it in no table, or it is
// over.
func (s *stream) row() (netlink.Socket, bool) {
	info, _ := getTCPInfo(s, abi.SizeofTCPInfo) // cannot fail on a stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == over || s.sur.HungUp() && s.state != connected {
		return netlink.Socket{}, false
	}
	r := rowOf(&s.idn, s.ep)
	r.TCPInfo, r.Congestion = info, s.ep.Congestion()
	r.Options |= netlink.OptionConnection
	s.rememberLocked()
	r.Local = sockaddr(s.idn.family, s.local).Addr
	s.queuesLocked(&r)
	switch s.state {
	case fresh:
		r.State = netlink.StateBoundInactive
	case connecting:
		r.State, r.Remote, r.SendQueue = stateSynSent, s.target, 1 // the SYN
	case listening:
		r.State = stateListen
		r.ReceiveQueue, r.SendQueue = s.listener.queue()
	default:
		r.State = s.ep.TCPState()
		r.Remote = s.remote.AddrPort
		if s.readOver {
			r.Shutdown |= unix.SHUT_RD + 1
			r.ReceiveQueue++ // the FIN
		}
		if s.writeOver {
			r.Shutdown |= unix.SHUT_WR + 1
		}
	}
	if s.file >= 0 || s.sur.HungUp() {
		r.Inode, r.UID = 0, 0 // accepted by no task yet, or closed by the last
	}
	return r, r.State != tcpClose && r.Local.Port() != 0
}

// queuesLocked adds what waits outside of netstack.
func (s *stream) queuesLocked(r *netlink.Socket) {
	r.SendQueue = uint32(s.sur.Unread())
	if s.short != nil {
		in, out := s.short.Queued()
		r.ReceiveQueue += uint32(in)
		r.SendQueue += uint32(out)
	}
}

// queue is how many connections wait for accept(2), and the backlog.
func (l *listener) queue() (waiting, backlog uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint32(len(l.handed)), uint32(l.backlog)
}

// row describes a UDP or raw socket; false if it has no port, or is closed.
func (d *datagram) row() (netlink.Socket, bool) {
	local, errno := d.tr.name()
	if errno != 0 || !d.sur.Alive() {
		return netlink.Socket{}, false
	}
	r := rowOf(&d.idn, d.tr.endpoint())
	r.State, r.Local = tcpClose, local.Addr
	if remote, errno := d.tr.peer(); errno == 0 {
		r.State, r.Remote = stateEstablished, remote.Addr
	}
	r.ReceiveQueue, r.Drops = uint32(d.receiveMemory()), d.in.drops.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.readShut {
		r.Shutdown |= unix.SHUT_RD + 1
	}
	if d.writeShut {
		r.Shutdown |= unix.SHUT_WR + 1
	}
	return r, r.Raw || r.Local.Port() != 0
}

// rows describes the connections that no task has any longer. Netstack forgets
// those in TIME-WAIT after a while, and the list sooner.
func (l *lingering) rows() []netlink.Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []netlink.Socket
	for _, ep := range l.eps {
		state := ep.TCPState()
		local, errno := ep.Local()
		if errno != 0 || state == tcpClose {
			continue
		}
		remote, errno := ep.Remote()
		if errno != 0 {
			continue
		}
		id := identity{family: unix.AF_INET, typ: unix.SOCK_STREAM, protocol: unix.IPPROTO_TCP}
		if local.Addr().Is6() {
			id.family = unix.AF_INET6
		}
		r := rowOf(&id, ep)
		r.State, r.Local, r.Remote = state, local.AddrPort, remote.AddrPort
		r.Shutdown, r.UID = unix.SHUT_RDWR+1, 0
		r.Options |= netlink.OptionConnection
		list = append(list, r)
	}
	return list
}
