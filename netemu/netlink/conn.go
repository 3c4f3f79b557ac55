package netlink

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Bounds of one socket: the longest datagram that can be sent, and how many
// bytes of answers one datagram may bring before the receive buffer counts as
// overrun. Both are net.core.{w,r}mem_default of Linux, but for the answers of
// NETLINK_SOCK_DIAG: Linux makes a dump as the reader goes on, and a list of
// sockets is long. 16 MiB are 30,000 of them with all they can tell.
const (
	maxRequest     = 212992 - 32 // netlink_sendmsg keeps 32 bytes back
	maxAnswers     = 212992
	maxDiagAnswers = 16 << 20
)

// Conn is one netlink socket. It is safe for concurrent use; answers to
// concurrent sends are not mixed within a datagram.
type Conn struct {
	// Unknown, if set, is called for each request or option that the server
	// does not know, with the name the headers have for it (or a general one)
	// and its number. It runs within the call that met it and must not call
	// back into the Conn. Set it before the first use.
	Unknown func(name string, number int)

	// Privileged says whether who sends may change the configuration, as
	// CAP_NET_ADMIN does; nil: nobody may. Deliver takes a notification and the
	// number of its group, 0 for one that was asked for (NLM_F_ECHO). Both run
	// within other calls, like Unknown.
	Privileged func() bool
	Deliver    func(b []byte, group int)

	server   *Server
	protocol int

	mu      sync.Mutex
	port    uint32 // 0: not bound
	groups  groupSet
	joined  bool // groups were ever set
	options map[int]bool
	pending unix.Errno // SO_ERROR
	closed  bool
}

// Bind gives the socket a port id, as bind(2) with a struct sockaddr_nl does:
// 0 for one that the kernel chooses. EADDRINUSE: another socket has it.
// EINVAL: the socket is bound already, to another. Groups is the mask of the
// multicast groups 1…32 to join.
func (c *Conn) Bind(pid, groups uint32) unix.Errno {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.port != 0 && pid != c.port {
		return unix.EINVAL
	}
	if errno := c.bindLocked(pid); errno != 0 {
		return errno
	}
	c.groups.setMask(groups)
	c.joined = c.joined || groups != 0
	return 0
}

// bindLocked binds the socket to port id pid (0: any) if it is not bound.
func (c *Conn) bindLocked(pid uint32) unix.Errno {
	if c.closed {
		return unix.EBADF
	}
	if c.port != 0 {
		return 0
	}
	port, errno := c.server.claim(c.protocol, pid)
	if errno == 0 {
		c.port = port
	}
	return errno
}

// Connect sets the default destination, as connect(2) does: the kernel (0, 0)
// is the only one, EPERM for others. An unbound socket is bound.
func (c *Conn) Connect(pid, groups uint32) unix.Errno {
	if errno := Destination(pid, groups); errno != 0 {
		return errno
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bindLocked(0)
}

// Destination judges the nl_pid and nl_groups that a program sends to: 0 for
// the kernel, EPERM for other sockets and for groups, which neither protocol
// lets anybody without CAP_NET_ADMIN write to (NL_CFG_F_NONROOT_SEND).
func Destination(pid, groups uint32) unix.Errno {
	if pid != 0 || groups != 0 {
		return unix.EPERM
	}
	return 0
}

// Local is the socket's own address, as getsockname(2) tells it: nl_pid (0:
// not bound) and the mask of the groups 1…32.
func (c *Conn) Local() (pid, groups uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.port, c.groups.mask()
}

// TakeError returns and clears the pending error (SO_ERROR): ENOBUFS after
// answers were dropped because one datagram asked for too many.
func (c *Conn) TakeError() unix.Errno {
	c.mu.Lock()
	defer c.mu.Unlock()
	errno := c.pending
	c.pending = 0
	return errno
}

// Close gives the port id back.
func (c *Conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.port != 0 {
		c.server.release(c.protocol, c.port)
	}
	c.port, c.closed = 0, true
	c.server.forget(c)
}

// Send takes one datagram from the program and returns the datagrams that the
// socket receives for it, in order, as from nl_pid 0. An unbound socket is
// bound first. EMSGSIZE: longer than the send buffer. ENODATA: empty.
func (c *Conn) Send(b []byte) ([][]byte, unix.Errno) {
	if len(b) > maxRequest {
		return nil, unix.EMSGSIZE
	}
	if len(b) == 0 {
		return nil, unix.ENODATA
	}
	c.mu.Lock()
	errno := c.bindLocked(0)
	x := exchange{
		server: c.server, protocol: c.protocol, unknown: c.Unknown, privileged: c.privileged, port: c.port,
		strict: c.options[unix.NETLINK_GET_STRICT_CHK],
		extAck: c.options[unix.NETLINK_EXT_ACK],
		capAck: c.options[unix.NETLINK_CAP_ACK],
	}
	c.mu.Unlock()
	if errno != 0 {
		return nil, errno
	}
	x.run(b)
	if x.overrun {
		c.mu.Lock()
		c.pending = unix.ENOBUFS
		c.mu.Unlock()
	}
	return x.answers, 0
}

func (c *Conn) privileged() bool { return c.Privileged != nil && c.Privileged() }

func (c *Conn) reportUnknown(name string, number int) {
	if c.Unknown != nil {
		c.Unknown(name, number)
	}
}
