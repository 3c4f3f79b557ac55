package netemu

import "sync"

// udpPorts counts the UDP sockets on each port, so that the uplink can be told of a port
// that the last one has left: it keeps a host socket for each of its peers, which nobody
// else would end for half a minute or two.
type udpPorts struct {
	left func(port uint16) // nil: nobody wants to know

	mu      sync.Mutex // before the uplink's locks
	sockets map[uint16]int
}

func (p *udpPorts) enter(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sockets == nil {
		p.sockets = map[uint16]int{}
	}
	p.sockets[port]++
}

// leave says whether that was the last socket on the port.
func (p *udpPorts) leave(port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sockets[port]--; p.sockets[port] > 0 {
		return false
	}
	delete(p.sockets, port)
	return true
}

// tell tells that nobody is on the port, unless somebody is by now.
func (p *udpPorts) tell(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sockets[port] == 0 {
		p.left(port)
	}
}

// portLeft has the uplink told, on a goroutine that holds no lock of a socket's. While
// there are raw sockets, what comes for a port that is closed may still be seen.
func (e *Emulator) portLeft(port uint16) {
	if e.udpPorts.left != nil && !e.reg.hasRaw() {
		e.pumps.Go(func() { e.udpPorts.tell(port) })
	}
}
