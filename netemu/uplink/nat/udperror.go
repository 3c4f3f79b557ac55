package nat

import (
	"bytes"
	"sync"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

const (
	// maxSent is how many datagrams of a flow can be quoted. Programs that ask
	// for errors send a datagram a hop, some 30 of them, and most use a flow
	// for each.
	maxSent = 32
	// matchSize is how many bytes of a payload tell datagrams of a flow apart:
	// probes are seldom longer, and number themselves.
	matchSize = 64
)

// sentHead is what is remembered of a datagram: its headers, as the sandbox has
// sent them, and the beginning of its payload.
type sentHead struct {
	quote    []byte
	payload  int // where it begins
	reported bool
}

// sentHeads are the heads of a flow's latest datagrams.
type sentHeads struct {
	mu   sync.Mutex // a leaf
	ring []sentHead
	next int
}

// add remembers a datagram, in the place of the oldest.
func (s *sentHeads) add(d stack.ForwardedDatagram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) < maxSent && s.next == len(s.ring) {
		s.ring = append(s.ring, sentHead{})
	}
	h := &s.ring[s.next]
	s.next = (s.next + 1) % maxSent
	h.quote, h.payload = d.AppendQuote(h.quote[:0], matchSize)
	h.reported = false
}

// takeBack forgets the latest, which was not sent.
func (s *sentHeads) takeBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = (s.next + maxSent - 1) % maxSent
	h := &s.ring[s.next]
	h.quote, h.payload, h.reported = h.quote[:0], 0, true
}

// quote makes what an ICMP error quotes: the head of the datagram that it is
// about, and as much of the payload as was told. Several may begin with that;
// errors come in the order of what they are about, so it is the oldest that
// none was told of, or else the latest.
func (s *sentHeads) quote(payload []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *sentHead
	for i := range s.ring {
		h := &s.ring[(s.next+i)%len(s.ring)]
		if !h.begins(payload) {
			continue
		}
		found = h
		if !h.reported {
			break
		}
	}
	if found == nil {
		return nil
	}
	found.reported = true
	return append(bytes.Clone(found.quote[:found.payload]), payload...)
}

// begins says whether the datagram may begin with payload.
func (h *sentHead) begins(payload []byte) bool {
	if len(h.quote) == 0 {
		return false // taken back
	}
	own := h.quote[h.payload:]
	n := min(len(own), len(payload))
	return bytes.Equal(own[:n], payload[:n])
}

// readErrors takes what is in the error queue.
func (f *udpFlow) readErrors() {
	// An error means that the flow is closed.
	_ = f.raw.Control(f.takeErrors)
}

// takeErrors reports what is in the error queue of the flow's socket.
func (f *udpFlow) takeErrors(fd uintptr) {
	buf := datagrams.Get().(*[]byte)
	defer datagrams.Put(buf)
	var m message
	for {
		e, size, ok := m.readError(fd, *buf)
		switch {
		case !ok:
			return
		case !e.local:
			f.report(e, (*buf)[:min(size, maxQuote)])
		case e.errno == unix.EMSGSIZE:
			f.tooBig.Store(e.icmp.Info)
		}
	}
}

// report hands an ICMP error in.
func (f *udpFlow) report(e hostError, payload []byte) {
	quote := f.sent.quote(payload)
	if quote == nil {
		return // not about anything that was sent
	}
	e.icmp.From = offender(e.icmp.From, f.dst.Addr(), f.to)
	f.nat.count.icmpErrors.Add(1)
	f.nat.gateway.SendError(f.src.Addr(), e.icmp, quote)
}
