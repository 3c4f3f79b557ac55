package netemu

import (
	"net/netip"
	"sync"
)

// ends are the addresses of a connection as one of its ends sees them.
type ends struct{ local, remote netip.AddrPort }

func (e ends) swapped() ends { return ends{e.remote, e.local} }

// endsLocked are those of a connection; both of its ends write them alike, although
// one may be an AF_INET6 socket that talks IPv4.
func (s *stream) endsLocked() ends {
	plain := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	return ends{plain(s.local.AddrPort), plain(s.remote.AddrPort)}
}

// connections finds the other end of a connection within the sandbox. An end that
// was reset stays until the other has ended too, so that it is known that a reset
// is under way.
type connections struct {
	mu     sync.Mutex // a leaf
	byEnds map[ends]end
}

type end struct {
	s     *stream
	reset bool
}

func (c *connections) init() { c.byEnds = make(map[ends]end) }

func (c *connections) add(key ends, s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byEnds[key] = end{s: s}
}

// remove takes s out when it has ended.
func (c *connections) remove(key ends, s *stream, reset bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byEnds[key].s != s {
		return
	}
	other, here := c.byEnds[key.swapped()]
	if here && other.reset {
		delete(c.byEnds, key.swapped())
		here = false
	}
	if reset && here {
		c.byEnds[key] = end{s, true}
	} else {
		delete(c.byEnds, key)
	}
}

func (c *connections) get(key ends) (end, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byEnds[key]
	return e, ok
}

// awaitReset waits for the reset by the other end, if that is in the sandbox, its
// task has closed it, and only the way here is left: on Linux it has come when
// close(2) returns.
func (s *stream) awaitReset() {
	s.mu.Lock()
	key, open := s.endsLocked(), s.state == connected
	s.mu.Unlock()
	if !open {
		return
	}
	other, ok := s.e.reg.connections.get(key.swapped())
	if !ok || !other.reset && !other.s.closing() {
		return
	}
	s.e.prompt.await(func() bool {
		if s.dead() {
			return true
		}
		now, ok := s.e.reg.connections.get(key.swapped())
		return !ok || now.s != other.s // in order, then
	})
}

// finAwaiterLocked gives what waits until the FIN of this end has come to the other, if
// that is in the sandbox, and its answer back: on Linux both have when shutdown(2)
// returns. It is asked for before: the other end may be gone by then.
func (s *stream) finAwaiterLocked() func() {
	if !s.e.local(s.remote.Addr()) {
		return func() {}
	}
	other, ok := s.e.reg.connections.get(s.endsLocked().swapped())
	return func() {
		s.e.prompt.await(func() bool {
			return !sending(s.endpoint().TCPState()) && (!ok || other.s.readToEnd())
		})
	}
}

// readToEnd says that nothing more comes to the task.
func (s *stream) readToEnd() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != connected || s.readOver
}

// closing says that the task has closed the stream and nothing keeps it from
// ending soon.
func (s *stream) closing() bool {
	return s.sur.HungUp() && (s.sur.Unread() == 0 || s.thrownAway())
}

// dead says that netstack has the end of the connection.
func (s *stream) dead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.lingersLocked()
}
