package sim

import (
	"net/netip"
	"time"

	mdns "github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"netbox/netemu/stack"
	"netbox/netemu/uplink"
)

// replyTTL is what is left of a host's 64 (Linux's net.ipv4.ip_default_ttl)
// behind the one router, the gateway.
const replyTTL = 64 - 1

// echo answers an echo request as its destination, or the gateway before it,
// would. Those to addresses on the link do not come here: the stack answers
// them. It runs on the packet path.
func (u *Uplink) echo(e stack.Echo) {
	s := u.stack.Load()
	if s == nil {
		return
	}
	h, fate, why := u.net.find(e.Dst)
	switch {
	case fate == vanishes:
	case e.TTL <= 1 && !onLink(e.Dst):
		typ, code := timeExceeded(e.Dst)
		s.EchoError(e, stack.ICMPError{From: gatewayFor(e.Dst), Type: typ, Code: code})
	case fate == cannot:
		typ, code := unreachableCode(e.Dst, why)
		s.EchoError(e, stack.ICMPError{From: gatewayFor(e.Dst), Type: typ, Code: code})
	case h.echo && !h.lost():
		u.delay.after(h.wait(), func() { s.EchoReply(e, replyTTL) })
	}
}

func gatewayFor(a netip.Addr) netip.Addr {
	if a.Is4() {
		return uplink.Gateway4
	}
	return uplink.Gateway6
}

// timeExceeded is the type and code of RFC 792 and RFC 4443 section 3.3.
func timeExceeded(dst netip.Addr) (typ, code uint8) {
	if dst.Is4() {
		return uint8(ipv4.ICMPTypeTimeExceeded), 0
	}
	return uint8(ipv6.ICMPTypeTimeExceeded), 0
}

// unreachableCode is the type and code of RFC 792, RFC 1812 section 5.2.7.1
// and RFC 4443 section 3.1.
func unreachableCode(dst netip.Addr, why stack.Unreachable) (typ, code uint8) {
	codes4 := map[stack.Unreachable]uint8{stack.UnreachableNet: 0, stack.UnreachableHost: 1, stack.UnreachableProhibited: 13}
	codes6 := map[stack.Unreachable]uint8{stack.UnreachableNet: 0, stack.UnreachableHost: 3, stack.UnreachableProhibited: 1}
	if dst.Is4() {
		return uint8(ipv4.ICMPTypeDestinationUnreachable), codes4[why]
	}
	return uint8(ipv6.ICMPTypeDestinationUnreachable), codes6[why]
}

// question answers a DNS question under the conditions of the address asked.
// It runs on a goroutine of the resolver, so it may wait.
func (u *Uplink) question(w mdns.ResponseWriter, q *mdns.Msg) {
	if a, err := netip.ParseAddrPort(w.LocalAddr().String()); err == nil {
		if h := u.net.hosts[a.Addr().Unmap()]; h != nil {
			if h.lost() {
				return
			}
			if !u.pause(h.wait()) {
				return
			}
		}
	}
	u.handler.ServeDNS(w, q)
}

// pause waits; false means that the uplink closes.
func (u *Uplink) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-u.serving.Done():
		return false
	}
}
