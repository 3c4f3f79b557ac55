package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// transport is what a datagram socket sends and receives with: UDP, ICMP echo,
// raw IP, packet or netlink. Its methods do not block.
type transport interface {
	bind(sa abi.Sockaddr) unix.Errno
	connect(sa abi.Sockaddr) unix.Errno
	disconnect() unix.Errno
	name() (abi.Sockaddr, unix.Errno)
	peer() (abi.Sockaddr, unix.Errno)
	// send sends p; to is nil for the connected peer.
	send(p []byte, to *abi.Sockaddr, c *stack.SendControl) unix.Errno
	// receive takes the next datagram, in buf; netstack calls it. EAGAIN: none.
	// EINTR: what came was not for the task, look again. Another errno: it was an
	// error, which is pending.
	receive(buf []byte) (int, arrival, unix.Errno)
	// queuedError takes an entry of the IP_RECVERR queue.
	queuedError() (stack.QueuedError, bool)
	// endpoint is for options; nil if there is none.
	endpoint() *stack.Endpoint
	close()
}

// source is a transport that receives by itself: it calls f whenever there may
// be something to receive, until cancelled.
type source interface {
	subscribe(f func()) (cancel func())
}

// part is a transport that uses its socket: it is told of it before any goroutine
// or call has it.
type part interface {
	partOf(d *datagram)
}

// arrival is what is remembered of a datagram until the task has read it.
type arrival struct {
	from    abi.Sockaddr
	control stack.Control
	aux     *abi.TpacketAuxdata // of packet sockets
	memory  int                 // what it costs of SO_RCVBUF
	drops   uint32              // how many the socket had dropped before it
}
