package publish

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// client is a UDP client of a published port, and its socket towards the
// program. A datagram that nobody takes comes back as ICMP port unreachable,
// which the socket reports; then the other IP version is tried once.
type client struct {
	clientKey
	port    *udpPort
	control []byte       // for sendmsg(2): answer from the address that was asked
	last    atomic.Int64 // when a datagram passed, since start

	mu       sync.Mutex
	box      net.Conn
	tried    int    // ways
	unproven []byte // the latest datagram, as long as nothing has answered
	answered bool
	closed   bool
}

// start is where the clients' clock begins; time.Since of it is monotonic.
var start = time.Now()

func (c *client) touch() { c.last.Store(int64(time.Since(start))) }

func (c *client) age() time.Duration { return time.Since(start) - time.Duration(c.last.Load()) }

var errNoWay = errors.New("nothing answers over IPv4 nor IPv6")

// dial makes the socket for the next way into the sandbox.
//
// Preconditions: c.mu is locked, or nobody else has c yet.
func (c *client) dial() error {
	ways := paths(c.client.Addr(), c.port.spec.Port)
	err := errNoWay
	for err != nil && c.tried < len(ways) {
		way := ways[c.tried]
		c.tried++
		var box net.Conn
		if box, err = c.port.dialer.DialUDP(way.local, way.remote); err == nil {
			c.box = box
			c.touch()
			box.SetReadDeadline(time.Now().Add(c.port.udpIdle))
		}
	}
	return err
}

// send carries a datagram to the program.
func (c *client) send(p []byte) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.touch()
	if !c.answered {
		c.unproven = append(c.unproven[:0], p...)
	}
	box := c.box
	_, err := box.Write(p)
	c.mu.Unlock()
	if err != nil && !c.redial(box) {
		c.close()
	}
}

// redial takes the other way into the sandbox after the socket failed, and
// repeats the latest datagram there; false when there is no other.
func (c *client) redial(failed net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.box != failed {
		return true // done already, from the other direction
	}
	if c.closed || c.answered {
		return false
	}
	failed.Close()
	if c.dial() != nil {
		return false
	}
	_, err := c.box.Write(c.unproven)
	return err == nil
}

// answer carries datagrams from the program, until it is silent for long.
func (c *client) answer() {
	defer c.close()
	buf := datagrams.Get().(*[]byte)
	defer datagrams.Put(buf)
	for {
		box := c.socket()
		n, err := box.Read(*buf)
		var timeout net.Error
		switch {
		case err == nil:
			c.reply((*buf)[:n])
		case errors.As(err, &timeout) && timeout.Timeout():
			if c.age() >= c.port.udpIdle {
				return
			}
			box.SetReadDeadline(time.Now().Add(c.port.udpIdle - c.age()))
		case !c.redial(box):
			return
		}
	}
}

func (c *client) socket() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.box
}

// reply sends a datagram to the client.
func (c *client) reply(p []byte) {
	c.touch()
	c.mu.Lock()
	c.answered, c.unproven = true, nil
	c.mu.Unlock()
	if _, _, err := c.port.conn.WriteMsgUDPAddrPort(p, c.control, c.client); err != nil {
		c.port.count.udpDropped.Add(1)
		c.port.log.Debug("published port", "port", c.port.spec, "client", c.client, "err", err)
	}
}

func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	if c.box != nil {
		c.box.Close()
	}
	c.port.remove(c)
}
