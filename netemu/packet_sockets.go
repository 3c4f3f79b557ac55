package netemu

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// packetSockets shows every packet socket every frame. It taps the stack while
// there are any, so that packets cost nothing else.
//
// show runs on netstack's goroutines with locks of its held: it takes mu, a
// socket's mu and its surrogate's, and calls nothing of the stack's. changing is held over Tap and its cancel, which wait for
// show to return; no other lock may be held then.
type packetSockets struct {
	stack   *stack.Stack
	observe func(on bool) // told of the first socket and of the last one's end

	changing sync.Mutex
	cancel   func()

	mu   sync.RWMutex
	list []*packet
}

func (s *packetSockets) add(p *packet) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	s.list = append(s.list, p)
	s.mu.Unlock()
	if s.cancel == nil {
		s.observe(true)
		s.cancel = s.stack.Tap(func(f stack.Frame) { s.show(f, nil) })
	}
}

func (s *packetSockets) remove(p *packet) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	s.list = slices.DeleteFunc(s.list, func(x *packet) bool { return x == p })
	none := len(s.list) == 0
	s.mu.Unlock()
	if none && s.cancel != nil {
		s.cancel()
		s.cancel = nil
		s.observe(false)
	}
}

// show gives a frame to all sockets but one.
func (s *packetSockets) show(f stack.Frame, but *packet) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.list {
		if p != but {
			p.take(f)
		}
	}
}

// sent shows the others a frame that a socket sends.
func (s *packetSockets) sent(by *packet, i stack.Interface, frame []byte) {
	s.show(stack.Frame{
		NIC: i.Index, Loopback: i.Loopback, Protocol: binary.BigEndian.Uint16(frame[stack.HeaderLen-2:]), Type: unix.PACKET_OUTGOING,
		Data: slices.Clone(frame), At: time.Now(),
	}, by)
}

// all are the sockets that there are.
func (s *packetSockets) all() []*packet {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.list)
}
