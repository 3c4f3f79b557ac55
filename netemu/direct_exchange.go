package netemu

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/trap"
)

// handler makes a call again, on the socket that has taken a direct one's place.
type handler func(t trap.Task, c trap.Call) trap.Verdict

// exchange puts a socket of the sandbox's own in the place of the direct one and
// makes the call on that. A TCP socket with a connection keeps its place: EINVAL, as
// of bind(2) and listen(2).
func (d *direct) exchange(c trap.Call, again handler) trap.Verdict {
	return d.lend(func(t trap.Task, file int) trap.Verdict {
		if d.isTCP() && !closed(file) {
			return trap.Fail(unix.EINVAL)
		}
		return d.replace(t, file, c, again)
	})
}

// replace is exchange with a copy at hand. The new socket has the options that
// differ from those of a new one, and of UDP port and peer.
func (d *direct) replace(t trap.Task, file int, c trap.Call, again handler) trap.Verdict {
	flags, errno := t.StatusFlags(d.fd)
	if errno != 0 {
		return trap.Fail(errno)
	}
	closeOnExec, errno := t.CloseOnExec(d.fd)
	if errno != 0 {
		return trap.Fail(errno)
	}
	s, surrogate, errno := d.successor(flags & unix.O_NONBLOCK)
	if errno != 0 {
		return trap.Fail(errno)
	}
	for _, set := range d.e.outside.defaults.changed(d.idn, file) {
		restore(s, surrogate, set)
	}
	if !d.isTCP() {
		d.keepAddresses(s, file)
	}
	d.e.outside.count.exchanged.Add(1)
	i := &trap.Install{File: surrogate, At: d.fd, Watched: d.e.watched(), CloseOnExec: closeOnExec, Failed: func(unix.Errno) { s.close() }}
	i.Then = func(t trap.Task, _ int32) trap.Verdict { return again(t, c) }
	return i.Verdict()
}

// successor is the new socket, and its surrogate's T.
func (d *direct) successor(flags int) (socket, int, unix.Errno) {
	if d.isTCP() {
		s, file, errno := d.e.startStream(d.idn, flags)
		return s, file, errno
	}
	family := stack.Inet4
	if d.idn.family == unix.AF_INET6 {
		family = stack.Inet6
	}
	ep, errno := d.e.stack.NewUDP(family)
	if errno != 0 {
		return nil, -1, errno
	}
	tr := d.e.newUDP(d.idn, ep)
	s, file, errno := d.e.startDatagram(d.idn, flags, tr)
	if errno != 0 {
		tr.close()
	}
	return s, file, errno
}

// keepAddresses gives a UDP socket the port that the direct one had, if it is free,
// and its peer.
func (d *direct) keepAddresses(s socket, file int) {
	name, errno := nameOf(file)
	if errno != 0 || name.Addr.Port() == 0 {
		return
	}
	any := netip.IPv4Unspecified()
	if d.idn.family == unix.AF_INET6 {
		any = netip.IPv6Unspecified()
	}
	_ = s.bind(abi.Sockaddr{Family: name.Family, Addr: netip.AddrPortFrom(any, name.Addr.Port())})
	u, ok := s.(*datagram)
	if peer, errno := peerOf(file); ok && errno == 0 {
		_ = u.tr.connect(d.seen(peer, d.e.outside.Seen))
	}
}
