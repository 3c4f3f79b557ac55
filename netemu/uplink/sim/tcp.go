package sim

import (
	"io"
	"net"
	"time"

	"netbox/netemu/stack"
)

const (
	// maxTCP bounds the open connections: 2,000 at once and as many that linger.
	// Each that copies has a buffer of 32 KiB, 128 MiB in all. SYNs beyond are
	// dropped, and sent again.
	maxTCP = 4096
	// textWait is how long a text service waits for the program to close:
	// closing before would turn what the program sent into a reset of the text.
	textWait = 10 * time.Second
	// resetWait is how long a reset service waits for the program's first byte,
	// so that connect(2) is over and it is the exchange that fails. A program
	// that waits for the server to speak is reset after it.
	resetWait = 100 * time.Millisecond
)

// tcp decides about a SYN. netstack runs it on a goroutine of its own, so it
// may wait.
func (u *Uplink) tcp(r *stack.TCPRequest) {
	h, fate, why := u.net.find(r.Dst.Addr())
	switch {
	case fate == cannot:
		r.Unreachable(why)
		return
	case fate == vanishes || h.lost():
		r.Drop()
		return
	}
	s := h.at(h.tcp, r.Dst.Port())
	if s.kind == kindDrop {
		r.Drop()
		return
	}
	if !u.pause(h.wait()) {
		r.Drop()
		return
	}
	u.accept(r, s)
}

// accept finishes the handshake, or refuses it.
func (u *Uplink) accept(r *stack.TCPRequest, s *service) {
	if s.kind == kindRefuse {
		r.Refuse()
		return
	}
	if !u.tcpFlows.reserve() {
		r.Drop()
		return
	}
	c, err := r.Accept()
	if err != nil { // the program gave up, or the stack is closing
		u.tcpFlows.free()
		return
	}
	u.tcpFlows.serve(c, func() { u.serveTCP(c, s) })
}

// serveTCP is one connection's life. An error means that the program is gone
// or the uplink closes; the connection ends with it.
func (u *Uplink) serveTCP(c stack.Conn, s *service) {
	switch s.kind {
	case kindEcho:
		_, _ = io.Copy(c, onlyReader{c})
	case kindDiscard:
		_, _ = io.Copy(io.Discard, onlyReader{c})
	case kindText:
		if _, err := io.WriteString(c, s.text); err != nil || c.CloseWrite() != nil {
			return
		}
		if c.SetReadDeadline(time.Now().Add(textWait)) == nil {
			_, _ = io.Copy(io.Discard, onlyReader{c})
		}
	case kindReset:
		if c.SetReadDeadline(time.Now().Add(resetWait)) == nil {
			_, _ = c.Read(make([]byte, 1))
		}
		c.Abort()
	case kindHTTP:
		u.web.serve(c, s)
	}
}

// onlyReader hides other methods of a connection from io.Copy, so that it
// reads with a buffer of its own.
type onlyReader struct{ net.Conn }
