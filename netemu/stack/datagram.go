package stack

import (
	"bytes"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// PktInfo is struct in_pktinfo or struct in6_pktinfo.
type PktInfo struct {
	NIC   int32
	Local netip.Addr // received: the address it reached; sent: the source to use
	Dst   netip.Addr // received: destination in the IP header
}

// Control is what a datagram's headers said. A field is -1 or nil where
// nothing is known.
type Control struct {
	TTL, TOS         int // of IPv4
	HopLimit, TClass int // of IPv6
	PktInfo          *PktInfo
	Timestamp        time.Time // when netstack took it in
}

// SendControl overrides an endpoint's options for one datagram. -1 and nil
// leave them.
type SendControl struct {
	TTL, HopLimit int
	PktInfo       *PktInfo // NIC and Local
}

// Datagram says what Receive read.
type Datagram struct {
	N    int // bytes copied
	Size int // the datagram's length
	From Addr
	Control
}

// The most bytes of a UDP datagram: 65535 less the headers that the IP header's
// length field counts.
const (
	maxUDPPayload4 = header.UDPMaximumSize - header.UDPMinimumSize - header.IPv4MinimumSize
	maxUDPPayload6 = header.UDPMaximumSize - header.UDPMinimumSize
)

// control converts netstack's control messages.
func (e *Endpoint) control(cm *tcpip.ReceivableControlMessages) Control {
	c := Control{TTL: -1, TOS: -1, HopLimit: -1, TClass: -1}
	if cm.HasTimestamp {
		c.Timestamp = cm.Timestamp
	}
	if cm.HasTTL {
		c.TTL = int(cm.TTL)
	}
	if cm.HasTOS {
		c.TOS = int(cm.TOS)
	}
	if cm.HasHopLimit {
		c.HopLimit = int(cm.HopLimit)
	}
	if cm.HasTClass {
		c.TClass = int(cm.TClass)
	}
	switch {
	case cm.HasIPPacketInfo:
		pi := cm.PacketInfo
		c.PktInfo = e.pktInfo(pi.NIC, pi.DestinationAddr)
	case cm.HasIPv6PacketInfo:
		pi := cm.IPv6PacketInfo
		c.PktInfo = e.pktInfo(pi.NIC, pi.Addr)
	}
	return c
}

// pktInfo makes the PktInfo of a datagram to dst. Its Local is the unicast
// address that an answer should come from, ipi_spec_dst of ip(7); netstack
// does not look for one when dst is a group or a broadcast address.
func (e *Endpoint) pktInfo(nic tcpip.NICID, dst tcpip.Address) *PktInfo {
	ip := toAddr(dst)
	local := ip
	if ip.IsMulticast() || e.s.isBroadcast(ip) {
		if main, err := e.s.net.GetMainNICAddress(nic, netProto(ip)); err == nil {
			local = toAddr(main.Address)
		}
	}
	return &PktInfo{NIC: int32(nic), Local: e.family.mapped(local), Dst: e.family.mapped(ip)}
}

// Send sends one datagram, to the peer when to is nil. EDESTADDRREQ, ENETUNREACH,
// EINVAL (port 0), EACCES (broadcast without SO_BROADCAST), EMSGSIZE, a pending
// error, EAGAIN (send buffer full).
func (e *Endpoint) Send(p []byte, to *Addr, c *SendControl) (int, unix.Errno) {
	if e.kind == kindTCP {
		return 0, unix.EOPNOTSUPP
	}
	opts, dst, en := e.writeOptions(to, c)
	if en == 0 {
		en = e.unsendable(len(p), dst, opts)
	}
	if en != 0 {
		return 0, en
	}
	if c != nil && c.PktInfo != nil && dst.Unmap().Is4() {
		if src := c.PktInfo.Local.Unmap(); src.Is4() && !src.IsUnspecified() {
			return e.sendIP(src, p, to, &opts)
		}
	}
	r := bytes.NewReader(p)
	n, err := e.ep.Write(r, opts)
	if isNetstackError(err) {
		n, err = e.ep.Write(r, opts)
	}
	if _, tooLong := err.(*tcpip.ErrMessageTooLong); tooLong && e.mayFragment(len(p), dst) {
		return e.sendIP(netip.Addr{}, p, to, &opts)
	}
	return int(n), e.writeErrno(dst, opts, err)
}

// unsendable says what is wrong with sending n bytes, in the order of udp_sendmsg and
// __ip_append_data: there is no route, they are too long, an error is pending.
func (e *Endpoint) unsendable(n int, dst netip.Addr, opts tcpip.WriteOptions) unix.Errno {
	tooLong, _ := e.tooLong(n, dst)
	e.mu.Lock()
	pending := e.pending != 0 && e.sendsTellLocked()
	e.mu.Unlock()
	if !tooLong && !pending {
		return 0
	}
	if en := e.unrouted(dst, opts); en != 0 {
		return en
	}
	if tooLong {
		return e.checkSize(n, dst) // and the queue tells of it
	}
	return e.TakePending()
}

// CheckSend says why nothing could be sent to to, or the peer when that is nil:
// what Send finds before it looks at the datagram.
func (e *Endpoint) CheckSend(to *Addr, c *SendControl) unix.Errno {
	opts, dst, en := e.writeOptions(to, c)
	if en != 0 {
		return en
	}
	return e.unrouted(dst, opts)
}

// unreadable is a payload of which netstack gets nothing, and so sends nothing.
type unreadable struct{}

func (unreadable) Len() int                 { return 1 }
func (unreadable) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// unrouted says why netstack has no way to dst: it looks for one before it reads
// the payload.
func (e *Endpoint) unrouted(dst netip.Addr, opts tcpip.WriteOptions) unix.Errno {
	_, err := e.ep.Write(unreadable{}, opts)
	if isNetstackError(err) {
		_, err = e.ep.Write(unreadable{}, opts)
	}
	if _, read := err.(*tcpip.ErrBadBuffer); read {
		return 0
	}
	return e.writeErrno(dst, opts, err)
}

// writeErrno is the errno of a write to dst that netstack refused.
func (e *Endpoint) writeErrno(dst netip.Addr, opts tcpip.WriteOptions, err tcpip.Error) unix.Errno {
	if _, gone := err.(*tcpip.ErrInvalidEndpointState); gone && opts.To == nil {
		return unix.ENETUNREACH // the way's interface is down, or its source address is gone
	}
	return e.routeErrno(dst, errno(err))
}

// CheckLength says whether n bytes fit one datagram to to, or the peer when that
// is nil, as Send does.
func (e *Endpoint) CheckLength(n int, to *Addr) unix.Errno {
	return e.checkSize(n, e.towards(to))
}

// towards is the address that a datagram goes to, invalid if nothing says where.
func (e *Endpoint) towards(to *Addr) netip.Addr {
	if to != nil {
		return e.loopbackIfAny(*to).Addr()
	}
	peer, _ := e.Remote()
	return peer.Addr()
}

// mayFragment says whether n bytes of a raw socket fit an IP packet, whose
// header the socket does not make itself.
func (e *Endpoint) mayFragment(n int, dst netip.Addr) bool {
	if e.kind != kindRaw || e.ep.SocketOptions().GetHeaderIncluded() {
		return false
	}
	return n <= maxUDPPayload6 && (!dst.Is4() || n <= maxUDPPayload4+header.UDPMinimumSize)
}

// writeOptions makes netstack's options for one datagram and tells where it
// goes, v4-mapped addresses as they are; invalid when nothing says where.
func (e *Endpoint) writeOptions(to *Addr, c *SendControl) (tcpip.WriteOptions, netip.Addr, unix.Errno) {
	var opts tcpip.WriteOptions
	var dst netip.Addr
	if to != nil {
		a := e.loopbackIfAny(*to)
		dst = a.Addr()
		if en := e.checkDestination(a); en != 0 {
			return opts, dst, en
		}
		fa := e.family.full(a)
		opts.To = &fa
	} else if peer, en := e.Remote(); en == 0 {
		dst = peer.Addr()
		if en := e.s.refused(dst); en != 0 {
			return opts, dst, en
		}
	}
	if c == nil {
		return opts, dst, 0
	}
	cm := &opts.ControlMessages
	if c.TTL >= 0 {
		cm.HasTTL, cm.TTL = true, uint8(c.TTL)
	}
	if c.HopLimit >= 0 {
		cm.HasHopLimit, cm.HopLimit = true, uint8(c.HopLimit)
	}
	if pi := c.PktInfo; pi != nil && !dst.Unmap().Is4() {
		cm.HasIPv6PacketInfo = true
		cm.IPv6PacketInfo = tcpip.IPv6PacketInfo{NIC: tcpip.NICID(pi.NIC)}
		if pi.Local.IsValid() && !pi.Local.IsUnspecified() {
			cm.IPv6PacketInfo.Addr = fromAddr(pi.Local)
		}
	}
	return opts, dst, 0
}

// checkSize is EMSGSIZE for n bytes to dst that do not fit, which the error queue
// then tells of.
func (e *Endpoint) checkSize(n int, dst netip.Addr) unix.Errno {
	tooLong, mtu := e.tooLong(n, dst)
	if !tooLong {
		return 0
	}
	if mtu != 0 {
		e.queueLocal(unix.EMSGSIZE, uint32(mtu), dst)
	}
	return unix.EMSGSIZE
}

// tooLong says whether n bytes to dst are above the protocol's limit or, where
// IP_MTU_DISCOVER keeps the host from fragmenting, above the MTU, and which MTU is
// to be told, if any. Only IP_PMTUDISC_DO looks at the path's, the others at the
// interface's (ip_sk_use_pmtu).
func (e *Endpoint) tooLong(n int, dst netip.Addr) (tooLong bool, mtu int) {
	v4 := dst.Unmap().Is4()
	if e.kind == kindUDP {
		if v4 && n > header.UDPMaximumSize {
			return true, 0 // udp_sendmsg, before there is anything to tell
		}
		if n > maxUDPPayload6 || v4 && n > maxUDPPayload4 {
			return true, e.mtuFor(dst)
		}
		n += header.UDPMinimumSize
	}
	if e.kind == kindRaw && e.ep.SocketOptions().GetHeaderIncluded() {
		n -= ipHeader(v4)
	}
	mtu = e.TooBig(n, dst)
	return mtu != 0, mtu
}

// MTUTowards is the MTU of the interface that a packet to dst leaves by; 0 when
// there is no route.
func (s *Stack) MTUTowards(dst netip.Addr) int {
	dst = dst.Unmap()
	r, err := s.net.FindRoute(0, tcpip.Address{}, fromAddr(dst), netProto(dst), false)
	if err != nil {
		return 0
	}
	defer r.Release()
	return int(r.MTU()) + ipHeader(dst.Is4())
}
