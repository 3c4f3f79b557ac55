package stack

import (
	"math/rand/v2"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// SetPortRange is IP_LOCAL_PORT_RANGE: the ports that the endpoint is given when it
// asks for none, of those that every endpoint is given; 0: no limit on this side.
func (e *Endpoint) SetPortRange(first, last uint16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.firstPort, e.lastPort = first, last
}

// portRange is inet_sk_get_local_port_range; own says that the endpoint has one.
func (e *Endpoint) portRange() (first, last uint16, own bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first, last = firstEphemeralPort, lastEphemeralPort
	if first <= e.firstPort && e.firstPort <= last {
		first = e.firstPort
	}
	if first <= e.lastPort && e.lastPort <= last {
		last = e.lastPort
	}
	return first, last, e.firstPort != 0 || e.lastPort != 0
}

// bindInRange binds to a free port of the endpoint's range, beginning anywhere.
func (e *Endpoint) bindInRange(fa tcpip.FullAddress) tcpip.Error {
	first, last, _ := e.portRange()
	count := uint32(last-first) + 1
	start := rand.Uint32N(count)
	for i := range count {
		fa.Port = first + uint16((start+i)%count)
		err := e.ep.Bind(fa)
		if _, taken := err.(*tcpip.ErrPortInUse); !taken {
			return err
		}
	}
	return &tcpip.ErrNoPortAvailable{}
}

// bindForConnect gives a TCP endpoint that has none a port of its own range.
// Linux looks for one that is free for the peer (__inet_hash_connect), here it is
// free for all.
func (e *Endpoint) bindForConnect() tcpip.Error {
	_, _, own := e.portRange()
	if e.kind != kindTCP || !own {
		return nil
	}
	if a, en := e.Local(); en == 0 && a.Port() != 0 {
		return nil
	}
	return e.bindInRange(tcpip.FullAddress{})
}
