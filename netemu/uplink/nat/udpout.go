package nat

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// staleErrors is how often a datagram is tried again: the error of an earlier
// one is also left on the socket, and the next send returns it instead of
// sending (ip(7), IP_RECVERR). Each try takes one off.
const staleErrors = 4

// sender is pumpOutward's state.
type sender struct {
	f   *udpFlow
	buf *[]byte
	way *stack.Way // what the socket is set to, nil: nobody knows
}

// pumpOutward carries the box's datagrams to the host.
func (f *udpFlow) pumpOutward() {
	defer f.close()
	s := sender{f: f, buf: datagrams.Get().(*[]byte), way: defaultWay(f.to)}
	defer datagrams.Put(s.buf)
	var list []stack.ForwardedDatagram
	for {
		var ok bool
		if list, ok = f.out.takeAll(list); !ok {
			return
		}
		for i, d := range list {
			ok = ok && s.send(d)
			f.out.release(d)
			list[i] = stack.ForwardedDatagram{}
		}
		if !ok {
			return
		}
	}
}

// send sends one datagram, or tells why not; false ends the flow.
func (s *sender) send(d stack.ForwardedDatagram) bool {
	f := s.f
	if d.TTL == 0 { // no router forwards it
		f.nat.count.udpDropped.Add(1)
		return true
	}
	if err := s.follow(d.Way); err != nil {
		// It must not go with the TTL of the one before, or be fragmented like it.
		f.nat.count.udpDropped.Add(1)
		f.nat.log.Debug("datagram dropped", "proto", "udp", "src", f.src, "dst", f.dst, "way", d.Way, "err", err)
		return !errors.Is(err, net.ErrClosed)
	}
	p := (*s.buf)[:d.Payload(*s.buf)]
	f.sent.add(d)
	_, err := f.host.Write(p)
	for range staleErrors {
		if err == nil || !hasErrno(err) {
			break
		}
		_, err = f.host.Write(p)
	}
	f.touch()
	if err == nil {
		f.nat.count.bytesOut.Add(uint64(len(p)))
		return true
	}
	return s.fail(d, err)
}

// follow sets the socket to what the datagram asks of the way. net.ErrClosed: the
// flow has ended.
func (s *sender) follow(w stack.Way) error {
	if s.way != nil && *s.way == w {
		return nil
	}
	var err error
	cerr := s.f.raw.Control(func(fd uintptr) { err = setOptions(int(fd), wayOptions(s.f.to, w, s.way)) })
	s.way = nil
	if err == nil {
		s.way = &w
	}
	return errors.Join(err, cerr)
}

func hasErrno(err error) bool {
	var errno unix.Errno
	return errors.As(err, &errno) && !hostShort(errno)
}

// fail tells the sandbox why a datagram was not sent; false when the socket is
// of no use any more.
func (s *sender) fail(d stack.ForwardedDatagram, err error) bool {
	f := s.f
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return false // closed
	}
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
