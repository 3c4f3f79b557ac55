package netemu

import (
	"sync"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// cork gathers what is sent with MSG_MORE, or while UDP_CORK is set, into one
// datagram (udp(7)). The first send says where it goes and with which control
// data; those of later ones are not looked at. [stack.Endpoint.CheckLength] bounds
// its length.
type cork struct {
	mu      sync.Mutex
	on      bool // UDP_CORK
	open    bool // something waits
	to      abi.Sockaddr
	control *stack.SendControl
	data    []byte
}

// opened says whether a datagram waits, and where it goes.
func (c *cork) opened() (to abi.Sockaddr, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.to, c.open
}

// length is that of the datagram that waits.
func (c *cork) length() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(len(c.data))
}

// drop throws away what waits: each error does (udp_flush_pending_frames).
func (c *cork) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked()
}

func (c *cork) dropLocked() { c.open, c.data, c.control = false, nil, nil }

// gatherOrSend sends p, or keeps it for the datagram that more belongs to.
func (d *datagram) gatherOrSend(p []byte, to *abi.Sockaddr, sc *stack.SendControl, more bool) unix.Errno {
	c := &d.cork
	c.mu.Lock()
	defer c.mu.Unlock()
	more = isUDP(&d.idn) && (more || c.on)
	if !more && !c.open {
		return d.transmit(p, to, sc)
	}
	if errno := d.gatherLocked(p, to, sc); errno != 0 {
		c.dropLocked()
		return errno
	}
	if more {
		return 0
	}
	return d.uncorkLocked()
}

// gatherLocked adds p to what waits. What is wrong comes in the order of
// udp_sendmsg and __ip_append_data, which looks for a pending error and a shutdown
// where it makes a new packet.
func (d *datagram) gatherLocked(p []byte, to *abi.Sockaddr, sc *stack.SendControl) unix.Errno {
	c, ep, first := &d.cork, d.endpoint(), !d.cork.open
	if first {
		if errno := d.openLocked(to, sc); errno != 0 {
			return errno
		}
	}
	if errno := ep.CheckLength(len(c.data)+len(p), stackAddrOf(&c.to)); errno != 0 {
		return errno
	}
	if first {
		if errno := ep.TakePending(); errno != 0 {
			return errno
		}
		if d.isWriteShut() {
			return unix.EPIPE
		}
	}
	c.data = append(c.data, p...)
	return 0
}

// openLocked begins a datagram to to, nil: to the peer.
func (d *datagram) openLocked(to *abi.Sockaddr, sc *stack.SendControl) unix.Errno {
	if errno := d.endpoint().CheckSend(stackAddrOf(to), sc); errno != 0 {
		return errno
	}
	if to == nil {
		peer, errno := d.tr.peer()
		if errno != 0 {
			return unix.EDESTADDRREQ
		}
		to = &peer
	}
	d.cork.open, d.cork.to, d.cork.control = true, *to, sc
	return 0
}

// uncorkLocked sends what waits (udp_push_pending_frames), after a shutdown, too.
func (d *datagram) uncorkLocked() unix.Errno {
	c := &d.cork
	if !c.open {
		return 0
	}
	p, to, sc := c.data, c.to, c.control
	c.dropLocked()
	if to.Addr.Port() == 0 {
		return d.deliver(p, nil, sc) // only the peer may have that port
	}
	return d.deliver(p, &to, sc)
}

// setCork is UDP_CORK. What switching it off sends may fail unseen.
func setCork(s socket, v int32) unix.Errno {
	d := s.(*datagram) // a UDP socket
	d.cork.mu.Lock()
	defer d.cork.mu.Unlock()
	d.cork.on = v != 0
	if v == 0 {
		d.uncorkLocked()
	}
	return 0
}

func getCork(s socket) (int32, unix.Errno) {
	d := s.(*datagram)
	d.cork.mu.Lock()
	defer d.cork.mu.Unlock()
	return oneIf(d.cork.on), 0
}
