package stack

import (
	"fmt"
	"net"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// maxTCPInFlight bounds the TCP requests that are not answered yet. Each is a
// goroutine and, in nat, a host socket that connects; a connect to a silent
// host takes up to 127 s. Programs that scan or crawl have a few hundred
// outstanding, and Linux bounds a listener's by somaxconn 4096. SYNs beyond it
// are ignored, so that TCP tries again, and counted in Stats.
const maxTCPInFlight = 4096

// tcpForwarder gives SYNs to a handler and remembers what to quote of them.
type tcpForwarder struct {
	s       *Stack
	f       *tcp.Forwarder
	handler func(*TCPRequest)

	mu   sync.Mutex
	syns map[stack.TransportEndpointID]firstSYN // of the requests in flight
}

// firstSYN is what is kept of a request's packet.
type firstSYN struct {
	quote []byte
	way   Way
}

// handleTCP makes h the handler of SYNs that no endpoint takes.
func (s *Stack) handleTCP(h func(*TCPRequest)) {
	t := &tcpForwarder{s: s, handler: h, syns: map[stack.TransportEndpointID]firstSYN{}}
	t.f = tcp.NewForwarder(s.net, 0, maxTCPInFlight, t.run)
	s.net.SetTransportProtocolHandler(tcp.ProtocolNumber, t.handlePacket)
}

// handlePacket is called on the packet path with what no endpoint takes; what
// it does not take netstack answers with RST.
func (t *tcpForwarder) handlePacket(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	h := header.TCP(pkt.TransportHeader().Slice())
	const kind = header.TCPFlagSyn | header.TCPFlagAck | header.TCPFlagRst
	if len(h) < header.TCPMinimumSize || h.Flags()&kind != header.TCPFlagSyn {
		return false
	}
	if !t.s.isUnicast(toAddr(id.LocalAddress)) {
		return true
	}
	t.mu.Lock()
	_, again := t.syns[id]
	full := !again && len(t.syns) >= maxTCPInFlight
	if !again && !full {
		t.syns[id] = firstSYN{quotePacket(pkt), wayOf(pkt)}
	}
	t.mu.Unlock()
	if full {
		t.s.tcpDropped.Add(1)
		return true
	}
	taken := t.f.HandlePacket(id, pkt)
	if !taken && !again {
		t.forget(id)
	}
	return taken
}

func (t *tcpForwarder) forget(id stack.TransportEndpointID) {
	t.mu.Lock()
	delete(t.syns, id)
	t.mu.Unlock()
}

// run is what the forwarder starts on a goroutine of its own for each request.
func (t *tcpForwarder) run(r *tcp.ForwarderRequest) {
	id := r.ID()
	t.mu.Lock()
	first := t.syns[id]
	t.mu.Unlock()
	req := &TCPRequest{
		Src: addrPort(id.RemoteAddress, id.RemotePort),
		Dst: addrPort(id.LocalAddress, id.LocalPort),
		Way: first.way,
		t:   t, r: r, quote: first.quote,
	}
	if !t.s.addRequest() {
		req.Drop()
		return
	}
	defer t.s.requests.Done()
	t.handler(req)
}

// TCPRequest is a SYN that reached the gateway. Exactly one of Accept, Refuse,
// Unreachable, Fail and Drop must be called, from any goroutine; what is called
// after the first does nothing.
type TCPRequest struct {
	Src, Dst netip.AddrPort // the sandbox's end, and where it wants to go
	Way                     // of the SYN

	t     *tcpForwarder
	r     *tcp.ForwarderRequest
	quote []byte // the SYN's IP packet, for errors
	once  sync.Once
}

// answer makes f the request's one answer, and tells whether it was the first.
func (r *TCPRequest) answer(f func()) bool {
	first := false
	r.once.Do(func() {
		first = true
		id := r.r.ID()
		f()
		r.t.forget(id)
	})
	return first
}

// Accept finishes the handshake and waits for its end.
func (r *TCPRequest) Accept() (Conn, error) {
	var c *conn
	var err error
	first := r.answer(func() {
		// Counted here as well: the caller may be on a goroutine of its own.
		if !r.t.s.addRequest() {
			r.r.Complete(false)
			err = fmt.Errorf("accept tcp %s from %s: %w", r.Dst, r.Src, net.ErrClosed)
			return
		}
		defer r.t.s.requests.Done()
		wq := new(waiter.Queue)
		ep, terr := r.r.CreateEndpoint(wq)
		r.r.Complete(false)
		if terr != nil {
			err = fmt.Errorf("accept tcp %s from %s: %w", r.Dst, r.Src, errno(terr))
			return
		}
		c = newConn(ep, wq)
	})
	if !first {
		return nil, fmt.Errorf("accept tcp %s from %s: answered already: %w", r.Dst, r.Src, net.ErrClosed)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Refuse answers RST: ECONNREFUSED.
func (r *TCPRequest) Refuse() {
	r.answer(func() { r.r.Complete(true) })
}

// Unreachable answers with an ICMP error that quotes the SYN.
func (r *TCPRequest) Unreachable(code Unreachable) {
	r.answer(func() {
		r.r.Complete(false)
		r.t.s.sendUnreachable(r.Src.Addr(), r.Dst.Addr(), code, r.quote)
	})
}

// Fail answers with this ICMP error, which quotes the SYN.
func (r *TCPRequest) Fail(e ICMPError) {
	r.answer(func() {
		r.r.Complete(false)
		r.t.s.SendError(r.Src.Addr(), e, r.quote)
	})
}

// Drop answers nothing; the sandbox's TCP will send the SYN again and make a
// new request.
func (r *TCPRequest) Drop() {
	r.answer(func() { r.r.Complete(false) })
}
