package netemu

import (
	"bytes"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// closeRefusing closes d, whose surrogate turns out to be closed, though netstack has
// taken r for it, and then tells the sender of r: what that sends next is netstack's to
// refuse.
func (d *datagram) closeRefusing(r received) {
	port, _ := d.tr.name()
	d.close()
	d.e.refuse(d, port, r)
}

// refuse tells the sender of r that nobody takes it: it was for d, which was at port. A
// sender on this host gets what the ICMP port unreachable would have brought; one
// beyond the link loses this one datagram, and is answered from the next on.
func (e *Emulator) refuse(d *datagram, port abi.Sockaddr, r received) {
	a, p := r.a, r.data
	if d.idn.protocol != unix.IPPROTO_UDP || !e.local(a.from.Addr.Addr()) {
		return
	}
	for _, s := range e.reg.all() {
		sender, ok := s.(*datagram)
		if !ok || sender == d || sender.idn.protocol != unix.IPPROTO_UDP {
			continue
		}
		name, _ := sender.tr.name()
		if name.Addr.Port() != a.from.Addr.Port() {
			continue
		}
		peer, errno := sender.tr.peer()
		sender.refused(p, port, errno == 0 && peer.Addr.Port() == port.Addr.Port())
	}
}

// What is left of a datagram in an ICMP error, in bytes of its payload: Linux's are
// at most 576 bytes long (icmp_send), for IPv6 1280 (icmp6_send), with the headers of
// the error and of the datagram.
const (
	quoted4 = 576 - 20 - 8 - 20 - 8
	quoted6 = 1280 - 40 - 8 - 40 - 8
)

// refused takes the news that datagram p to dst was refused.
func (d *datagram) refused(p []byte, dst abi.Sockaddr, connected bool) {
	option, origin, code := stack.RecvErr4, uint8(unix.SO_EE_ORIGIN_ICMP), uint8(3)
	typ, quoted := uint8(3), quoted4
	if d.idn.family == unix.AF_INET6 {
		option, origin, typ, code = stack.RecvErr6, unix.SO_EE_ORIGIN_ICMP6, 1, 4
		quoted = quoted6
	}
	if on, _ := d.tr.endpoint().GetBool(option); on {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.errors) < maxQueuedErrors {
			at := stackAddr(dst)
			d.errors = append(d.errors, queuedNow(stack.QueuedError{
				Errno: unix.ECONNREFUSED, Origin: origin, Type: typ, Code: code,
				Payload: bytes.Clone(p[:min(len(p), quoted)]), Dst: at, Offender: at,
			}))
		}
		d.soError = unix.ECONNREFUSED
		d.raiseSoonLocked()
		return
	}
	if connected {
		d.fail(unix.ECONNREFUSED)
	}
}
