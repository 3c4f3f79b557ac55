package sim

import (
	"bytes"
	"net"
	"time"

	"netbox/netemu/stack"
)

const (
	// maxUDP bounds the open flows, as nat does. Each holds a buffer of 64 KiB,
	// 128 MiB in all. First datagrams beyond are dropped.
	maxUDP = 2048
	// udpIdle ends a flow without datagrams: Linux's conntrack keeps an
	// unanswered one as long (nf_conntrack_udp_timeout). The next datagram
	// makes a new flow, which a program can't tell from the old one.
	udpIdle = 30 * time.Second
	// maxDatagram is the largest UDP payload, in bytes (RFC 768).
	maxDatagram = 65535 - 8
)

// udp decides about the first datagram of a flow; returning without an answer
// drops it. It runs on the packet path.
func (u *Uplink) udp(r *stack.UDPRequest) {
	h, fate, why := u.net.find(r.Dst.Addr())
	if fate != arrives {
		if fate == cannot {
			r.Unreachable(why)
		}
		return
	}
	s := h.at(h.udp, r.Dst.Port())
	switch {
	case s.kind == kindDrop:
	case s.kind == kindRefuse:
		if !h.lost() {
			r.Unreachable(stack.UnreachablePort)
		}
	case u.udpFlows.reserve():
		c, err := r.Accept()
		if err != nil { // the stack is closing
			u.udpFlows.free()
			return
		}
		u.udpFlows.serve(c, func() { u.serveUDP(c, h, s) })
	}
}

// serveUDP answers the datagrams of one flow until it is idle.
func (u *Uplink) serveUDP(c net.Conn, h *host, s *service) {
	buf := make([]byte, maxDatagram)
	for {
		if err := c.SetReadDeadline(time.Now().Add(udpIdle)); err != nil {
			return
		}
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if h.lost() {
			continue
		}
		switch s.kind {
		case kindEcho:
			u.answer(c, h, bytes.Clone(buf[:n]))
		case kindText:
			u.answer(c, h, []byte(s.text))
		}
	}
}

// answer sends p when its time has come. A send that fails is a lost datagram.
func (u *Uplink) answer(c net.Conn, h *host, p []byte) {
	u.delay.after(h.wait(), func() { _, _ = c.Write(p) })
}
