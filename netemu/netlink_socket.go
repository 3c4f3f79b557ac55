package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netlink"
	"netbox/netemu/stack"
	"netbox/trap"
)

// netlinkTransport answers an AF_NETLINK socket: what is sent to the kernel
// (port 0) is answered at once, onto the surrogate.
type netlinkTransport struct {
	conn *netlink.Conn
	push func([]byte)
	fail func(unix.Errno)
}

// socketNetlink makes an AF_NETLINK socket.
func (e *Emulator) socketNetlink(t trap.Task, id identity, flags int) trap.Verdict {
	if id.typ != unix.SOCK_RAW && id.typ != unix.SOCK_DGRAM {
		return trap.Fail(unix.ESOCKTNOSUPPORT)
	}
	conn, errno := e.netlink.Open(id.protocol)
	if errno != 0 {
		e.ledger.count(t, "netlink protocol", id.protocol)
		return trap.Fail(errno)
	}
	program := t.Name()
	conn.Unknown = func(name string, _ int) { e.ledger.countFor(program, "netlink", name) }
	tr := &netlinkTransport{conn: conn}
	d, file, errno := e.startDatagram(id, flags, tr)
	if errno != 0 {
		tr.close()
		return trap.Fail(errno)
	}
	tr.push = func(p []byte) {
		// A program that does not read loses answers, as with a full receive
		// buffer (ENOBUFS, netlink(7)).
		if d.sur.Push(p, arrival{from: abi.Sockaddr{Family: unix.AF_NETLINK}}) == unix.EAGAIN {
			d.fail(unix.ENOBUFS)
		}
	}
	tr.fail = d.fail
	return install(file, flags, d.close)
}

func (n *netlinkTransport) bind(sa abi.Sockaddr) unix.Errno {
	return n.conn.Bind(sa.PortID, sa.Groups)
}

func (n *netlinkTransport) connect(sa abi.Sockaddr) unix.Errno {
	return n.conn.Connect(sa.PortID, sa.Groups)
}

func (n *netlinkTransport) disconnect() unix.Errno { return 0 }

func (n *netlinkTransport) name() (abi.Sockaddr, unix.Errno) {
	pid, groups := n.conn.Local()
	return abi.Sockaddr{Family: unix.AF_NETLINK, PortID: pid, Groups: groups}, 0
}

func (n *netlinkTransport) peer() (abi.Sockaddr, unix.Errno) {
	return abi.Sockaddr{Family: unix.AF_NETLINK}, 0
}

func (n *netlinkTransport) send(p []byte, to *abi.Sockaddr, _ *stack.SendControl) unix.Errno {
	if to != nil {
		if errno := netlink.Destination(to.PortID, to.Groups); errno != 0 {
			return errno
		}
	}
	if pid, _ := n.conn.Local(); pid == 0 {
		if errno := n.conn.Bind(0, 0); errno != 0 {
			return errno
		}
	}
	replies, errno := n.conn.Send(p)
	for _, r := range replies {
		n.push(r)
	}
	if e := n.conn.TakeError(); e != 0 {
		n.fail(e)
	}
	return errno
}

func (n *netlinkTransport) receive([]byte) (int, arrival, unix.Errno) {
	return 0, arrival{}, unix.EAGAIN
}

func (n *netlinkTransport) queuedError() (stack.QueuedError, bool) {
	return stack.QueuedError{}, false
}

func (n *netlinkTransport) endpoint() *stack.Endpoint { return nil }
func (n *netlinkTransport) close()                    { n.conn.Close() }

// option is the row of a SOL_NETLINK option, which the netlink server keeps.
func (n *netlinkTransport) option(name int) option {
	return option{
		set: func(_ socket, value []byte) unix.Errno { return n.conn.SetOption(name, value) },
		get: func(socket, int) ([]byte, unix.Errno) { return n.conn.Option(name) },
	}
}
