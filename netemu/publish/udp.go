package publish

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// clientIdle is for how long a silent client keeps its port towards the
	// program: RFC 4787 REQ-5's two minutes.
	clientIdle = 120 * time.Second
	// maxClients bounds the clients of one port. Each costs a goroutine, a
	// port of the far stack and a buffer of 64 KiB, 128 MiB in all.
	maxClients = 2048
	// maxDatagram is more than any UDP payload has.
	maxDatagram = 65535
)

// datagrams holds buffers of maxDatagram bytes.
var datagrams = sync.Pool{New: func() any { b := make([]byte, maxDatagram); return &b }}

// clientKey tells clients apart. A client that asks two addresses of the host
// is two: each gets answers from the address it asked.
type clientKey struct {
	client netip.AddrPort
	local  netip.Addr // invalid: not known
}

// udpPort is one bound socket of the host.
type udpPort struct {
	*Server
	spec Spec
	conn *net.UDPConn

	mu      sync.Mutex // a leaf
	clients map[clientKey]*client
	max     int
	closed  bool
}

func (s *Server) openUDP(spec Spec, at netip.AddrPort) error {
	pc, err := (&net.ListenConfig{}).ListenPacket(s.ctx, network("udp", at), at.String())
	if err != nil {
		return err
	}
	conn := pc.(*net.UDPConn)
	if err = wantLocal(conn, at.Addr()); err != nil {
		conn.Close()
		return err
	}
	s.udp = append(s.udp, &udpPort{
		Server: s, spec: spec, conn: conn, clients: map[clientKey]*client{}, max: maxClients,
	})
	return nil
}

func (p *udpPort) serve() {
	buf := datagrams.Get().(*[]byte)
	defer datagrams.Put(buf)
	oob := make([]byte, controlSize)
	for {
		n, oobn, _, from, err := p.conn.ReadMsgUDPAddrPort(*buf, oob)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// An ICMP error for an answer to a client that is gone.
			p.log.Debug("published port", "port", p.spec, "err", err)
			continue
		}
		local, control := replyFrom(oob[:oobn])
		c := p.client(clientKey{from, local}, control)
		if c != nil {
			c.send((*buf)[:n])
		}
	}
}

// client finds or makes the client; nil when there can't be one.
func (p *udpPort) client(k clientKey, control []byte) *client {
	p.mu.Lock()
	c := p.clients[k]
	p.mu.Unlock()
	if c != nil {
		return c
	}
	c = &client{clientKey: k, port: p, control: control}
	if err := c.dial(); err != nil {
		p.count.udpDropped.Add(1)
		p.log.Debug("no way into the sandbox", "port", p.spec, "client", k.client, "err", err)
		return nil
	}
	leaving, ok := p.add(c)
	if leaving != nil {
		p.count.udpEvicted.Add(1)
		leaving.close()
	}
	if !ok || !p.running.Go(c.answer) {
		c.close()
		return nil
	}
	p.count.udpFlows.Add(1)
	return c
}

// add takes c in; leaving is the longest idle client, if it has to make room.
func (p *udpPort) add(c *client) (leaving *client, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false
	}
	if len(p.clients) >= p.max {
		for _, other := range p.clients {
			if leaving == nil || other.last.Load() < leaving.last.Load() {
				leaving = other
			}
		}
		delete(p.clients, leaving.clientKey)
	}
	p.clients[c.clientKey] = c
	return leaving, true
}

func (p *udpPort) remove(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients[c.clientKey] == c {
		delete(p.clients, c.clientKey)
	}
}

func (p *udpPort) close() {
	p.mu.Lock()
	p.closed = true
	clients := make([]*client, 0, len(p.clients))
	for _, c := range p.clients {
		clients = append(clients, c)
	}
	p.mu.Unlock()
	p.conn.Close()
	for _, c := range clients {
		c.close()
	}
}
