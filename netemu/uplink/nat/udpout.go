package nat

import (
	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
	"netbox/netemu/stack"
)

// staleErrors is how often a datagram is tried again: the error of an earlier
// one is also left on the socket, and the next send returns it instead of
// sending (ip(7), IP_RECVERR). Each try takes one off.
const staleErrors = 4

// sender sends the datagrams of a flow, one after the other: on the packet path, or
// on the outbox's goroutine while the socket has no room.
type sender struct {
	f   *udpFlow
	way *stack.Way // what the socket is set to, nil: nobody knows
}

// drain sends what waits in the outbox until nothing does.
func (f *udpFlow) drain() {
	var list []stack.ForwardedDatagram
	for {
		var ok bool
		if list, ok = f.out.takeAll(list); !ok {
			return
		}
		for i, d := range list {
			ok = ok && f.drainOne(d)
			f.out.release(d)
			list[i] = stack.ForwardedDatagram{}
		}
		if !ok {
			f.close()
			return
		}
	}
}

// drainOne sends one datagram when the socket has room; false ends the flow.
func (f *udpFlow) drainOne(d stack.ForwardedDatagram) (ok bool) {
	err := f.raw.Write(func(fd uintptr) bool {
		var room bool
		room, ok = f.send.try(int(fd), d)
		return room
	})
	return ok && err == nil
}

// now sends one datagram; room is false if the socket has none for it, and ok when the
// flow must end.
func (s *sender) now(d stack.ForwardedDatagram) (room, ok bool) {
	err := s.f.raw.Control(func(fd uintptr) { room, ok = s.try(int(fd), d) })
	return room || err != nil, ok && err == nil
}

// try is now, of the socket fd.
func (s *sender) try(fd int, d stack.ForwardedDatagram) (room, ok bool) {
	f := s.f
	if d.TTL == 0 { // no router forwards it
		f.nat.count.udpDropped.Add(1)
		return true, true
	}
	if err := s.follow(fd, d.Way); err != nil {
		// It must not go with the TTL of the one before, or be fragmented like it.
		f.nat.count.udpDropped.Add(1)
		f.nat.log.Debug("datagram dropped", "proto", "udp", "src", f.src, "dst", f.dst, "way", d.Way, "err", err)
		return true, true
	}
	buf := datagrams.Get().(*[]byte)
	defer datagrams.Put(buf)
	p := (*buf)[:d.Payload(*buf)]
	f.sent.add(d) // its error may come before send(2) returns
	err := send(fd, p)
	for range staleErrors {
		if err == nil || hostShort(err.(unix.Errno)) {
			break
		}
		err = send(fd, p)
	}
	if err == unix.EAGAIN {
		f.sent.takeBack()
		return false, true
	}
	f.touch()
	if err == nil {
		f.nat.count.bytesOut.Add(uint64(len(p)))
		return true, true
	}
	return true, s.fail(d, err.(unix.Errno))
}

func send(fd int, p []byte) error {
	_, err := quick.Send(fd, p)
	return err
}

// follow sets the socket to what the datagram asks of the way.
func (s *sender) follow(fd int, w stack.Way) error {
	if s.way != nil && *s.way == w {
		return nil
	}
	err := setOptions(fd, wayOptions(s.f.to, w, s.way))
	s.way = nil
	if err == nil {
		s.way = &w
	}
	return err
}

// fail tells the sandbox why a datagram was not sent; false when the socket is
// of no use any more.
func (s *sender) fail(d stack.ForwardedDatagram, errno unix.Errno) bool {
	f := s.f
	var mtu uint32
	switch errno {
	case unix.EBADF, unix.EINVAL, unix.ENOTCONN:
		return false
	case unix.EMSGSIZE:
		f.readErrors() // which tell the MTU
		mtu = f.tooBig.Load()
	}
	f.nat.count.udpDropped.Add(1)
	if hostShort(errno) {
		return true // this datagram is lost, as datagrams may be
	}
	quote, _ := d.AppendQuote(nil, maxQuote)
	f.nat.gateway.SendError(f.src.Addr(), ownFailure(f.dst.Addr(), errno, mtu), quote)
	return true
}
