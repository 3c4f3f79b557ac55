package stack

import "maps"

// settings are the options that a program set on a TCP socket. A connection
// has those of its listener (sk_clone); netstack makes it with the defaults.
type settings struct {
	bools map[BoolOption]bool
	ints  map[IntOption]int
}

// rememberBool notes an option that was set.
func (e *Endpoint) rememberBool(o BoolOption, v bool) {
	if e.kind != kindTCP {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set.bools == nil {
		e.set.bools = map[BoolOption]bool{}
	}
	e.set.bools[o] = v
}

// rememberInt notes an option that was set.
func (e *Endpoint) rememberInt(o IntOption, v int) {
	if e.kind != kindTCP {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set.ints == nil {
		e.set.ints = map[IntOption]int{}
	}
	e.set.ints[o] = v
}

// inherit gives a new connection its listener's options. What does not apply to
// a connection any more, IPV6_V6ONLY say, refuses to be set.
func (e *Endpoint) inherit(l *Endpoint) {
	e.ep.SocketOptions().SetLinger(l.ep.SocketOptions().GetLinger())
	l.mu.Lock()
	bools, ints := maps.Clone(l.set.bools), maps.Clone(l.set.ints)
	l.mu.Unlock()
	for o, v := range bools {
		e.SetBool(o, v)
	}
	for o, v := range ints {
		e.SetInt(o, v)
	}
}
