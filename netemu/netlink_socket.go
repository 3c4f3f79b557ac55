package netemu

import (
	"sync"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netlink"
	"netbox/netemu/stack"
	"netbox/trap"
)

// netlinkTransport answers an AF_NETLINK socket: what is sent to the kernel
// (port 0) is answered at once, onto the surrogate. What the surrogate does not
// take waits for the task to read on, as a dump does on Linux.
type netlinkTransport struct {
	conn *netlink.Conn
	sock *datagram

	mu sync.Mutex
	// replies are those that wait, in order, and waiting their length in bytes;
	// the deliver goroutine runs while there are any.
	replies []waitingReply
	waiting int
}

// waitingReply is a datagram and nl_groups of its source address.
type waitingReply struct {
	data   []byte
	groups uint32
}

// maxWaitingReplies bounds the bytes of answers that wait for a task to read:
// one longest dump. Beyond it answers are lost, as with a full receive buffer
// (ENOBUFS, netlink(7)).
const maxWaitingReplies = 16 << 20

// maxNetlinkMessage is what netlink_sendmsg takes at the default SO_SNDBUF, in
// bytes.
const maxNetlinkMessage = 212992 - 32

// socketNetlink makes an AF_NETLINK socket.
func (e *Emulator) socketNetlink(t trap.Task, id identity, flags int) trap.Verdict {
	if id.typ != unix.SOCK_RAW && id.typ != unix.SOCK_DGRAM {
		return trap.Fail(unix.ESOCKTNOSUPPORT)
	}
	conn, errno := e.netlink.Open(id.protocol)
	if errno != 0 {
		// sshd and su look for the audit of the kernel, and go on without it.
		if id.protocol != unix.NETLINK_AUDIT {
			e.ledger.count(t, "netlink protocol", id.protocol)
		}
		return trap.Fail(errno)
	}
	program := t.Name()
	conn.Unknown = func(name string, _ int) { e.ledger.countFor(program, "netlink", name) }
	tr := &netlinkTransport{conn: conn}
	conn.Privileged = tr.privileged
	conn.Deliver = tr.notify
	d, file, errno := e.startDatagram(id, flags, tr)
	if errno != 0 {
		tr.close()
		return trap.Fail(errno)
	}
	return install(file, flags, d.close)
}

func (n *netlinkTransport) partOf(d *datagram) { n.sock = d }

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

// checkSend is what netlink_sendmsg does before it looks at the payload: it has its
// own order, and gives the socket its port.
func (n *netlinkTransport) checkSend(t trap.Task, o *outgoing) unix.Errno {
	switch {
	case o.flags&unix.MSG_OOB != 0:
		return unix.EOPNOTSUPP
	case o.length() == 0:
		return unix.ENODATA
	case len(o.name) == 0:
		o.name = nil
	}
	if _, errno := n.sock.sendControl(t, o.control, nil); errno != 0 {
		return errno
	}
	if o.name != nil {
		if f, errno := abi.Family(o.name); errno != 0 || f != unix.AF_NETLINK {
			return unix.EINVAL
		}
		to, errno := remoteAddress(unix.AF_NETLINK, o.name)
		if errno == 0 {
			errno = netlink.Destination(to.PortID, to.Groups)
		}
		if errno != 0 {
			return errno
		}
	}
	return n.bindAny()
}

// bindAny gives the socket a port id if it has none.
func (n *netlinkTransport) bindAny() unix.Errno {
	if pid, _ := n.conn.Local(); pid != 0 {
		return 0
	}
	return n.conn.Bind(0, 0)
}

func (n *netlinkTransport) send(p []byte, to *abi.Sockaddr, _ *stack.SendControl) unix.Errno {
	if to != nil {
		if errno := netlink.Destination(to.PortID, to.Groups); errno != 0 {
			return errno
		}
	}
	if len(p) == 0 {
		return unix.ENODATA
	}
	if errno := n.bindAny(); errno != 0 {
		return errno
	}
	replies, errno := n.conn.Send(p)
	for _, r := range replies {
		n.reply(r, 0)
	}
	if e := n.conn.TakeError(); e != 0 {
		n.sock.fail(e)
	}
	return errno
}

// privileged says whether the task that has last called may change the
// configuration.
func (n *netlinkTransport) privileged() bool { return n.sock.e.mayConfigure(int(n.sock.caller.Load())) }

// notify hands a notification to the task; group is its number, 0 for an echo.
func (n *netlinkTransport) notify(p []byte, group int) {
	mask := uint32(0)
	if group > 0 && group <= 32 {
		mask = 1 << (group - 1)
	}
	n.reply(p, mask)
}

// reply hands an answer to the task, or lets it wait behind others. Groups is
// nl_groups of its source address.
func (n *netlinkTransport) reply(p []byte, groups uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := waitingReply{p, groups}
	if len(n.replies) == 0 {
		if n.push(w) != unix.EAGAIN {
			return
		}
		n.sock.e.wg.Add(1) // deliver
		go n.deliver()
	} else if n.waiting+len(p) > maxWaitingReplies {
		if !n.conn.IgnoresOverrun() {
			n.sock.fail(unix.ENOBUFS)
		}
		return
	}
	n.replies = append(n.replies, w)
	n.waiting += len(p)
}

func (n *netlinkTransport) push(w waitingReply) unix.Errno {
	return n.sock.sur.Push(w.data, arrival{from: abi.Sockaddr{Family: unix.AF_NETLINK, Groups: w.groups}})
}

// deliver hands the waiting answers over as the task reads. It ends with the
// last of them, or with the surrogate.
func (n *netlinkTransport) deliver() {
	defer n.sock.e.wg.Done()
	for n.sock.sur.WaitWritable() == nil && n.deliverSome() {
	}
}

// deliverSome hands over what the surrogate takes; false if nothing is left.
func (n *netlinkTransport) deliverSome() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.replies) > 0 {
		if n.push(n.replies[0]) == unix.EAGAIN {
			return true
		}
		n.waiting -= len(n.replies[0].data)
		n.replies = n.replies[1:]
	}
	n.replies = nil
	return false
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
