package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Frame is a packet on an interface, as packet(7) shows it.
type Frame struct {
	NIC      int32
	Protocol uint16 // EtherType
	Type     uint8  // PACKET_HOST and so on
	// Data begins with an Ethernet header, which the link does without: it is
	// made up from the hardware addresses that the two ends would have.
	Data     []byte
	At       time.Time
	Loopback bool // of the interface
}

// HeaderLen is the length of the Ethernet header of a Frame, in bytes.
const HeaderLen = header.EthernetMinimumSize

// gatewayAddr is the hardware address of whatever is beyond eth0, as
// hardwareAddr makes it of the gateway's 10.0.2.2.
var gatewayAddr = [6]byte{0x02, 0x00, 0x0a, 0x00, 0x02, 0x02}

var broadcastAddr = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// tap shows f the packets of all interfaces. It implements stack.PacketEndpoint;
// netstack calls it on the goroutine that sends or receives the packet, with
// locks held.
type tap struct {
	s *Stack
	f func(Frame)
}

// Tap has f called for each packet that comes or goes by any interface, until
// cancel is called. f owns the Frame's data; it must not block nor call back.
// There is one tap at a time.
func (s *Stack) Tap(f func(Frame)) (cancel func()) {
	t := &tap{s, f}
	s.tap.Store(t)
	// This cannot fail: interface 0 stands for all of them.
	_ = s.net.RegisterPacketEndpoint(0, header.EthernetProtocolAll, t)
	return func() {
		s.net.UnregisterPacketEndpoint(0, header.EthernetProtocolAll, t)
		s.tap.CompareAndSwap(t, nil)
	}
}

// HandlePacket implements stack.PacketEndpoint.
func (t *tap) HandlePacket(nic tcpip.NICID, proto tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	view := pkt.ToView()
	defer view.Release()
	t.show(int32(nic), uint16(proto), pkt.PktType == tcpip.PacketOutgoing, view.AsSlice())
}

// show makes a Frame of a packet.
func (t *tap) show(nic int32, proto uint16, outgoing bool, packet []byte) {
	data := make([]byte, HeaderLen, HeaderLen+len(packet))
	data = append(data, packet...)
	fillChecksum(proto, data[HeaderLen:])
	typ := uint8(unix.PACKET_HOST)
	f := t.s.factsOf(nic)
	if !f.loopback {
		dst, src := f.hardware, gatewayAddr
		if outgoing {
			dst, src = src, dst
		}
		if group, ok := f.groupAddr(proto, packet); ok {
			dst = group
		}
		typ = addressType(dst)
		copy(data, dst[:])
		copy(data[6:], src[:])
	}
	if outgoing {
		typ = unix.PACKET_OUTGOING
	}
	binary.BigEndian.PutUint16(data[12:], proto)
	t.f(Frame{NIC: nic, Protocol: proto, Type: typ, Data: data, At: time.Now(), Loopback: f.loopback})
}

// addressType is the PACKET_* of an inbound frame (eth_type_trans).
func addressType(dst [6]byte) uint8 {
	switch {
	case dst == broadcastAddr:
		return unix.PACKET_BROADCAST
	case dst[0]&1 != 0:
		return unix.PACKET_MULTICAST
	}
	return unix.PACKET_HOST
}

// groupAddr is the hardware address of a packet to a group or to everybody (RFC
// 1112 section 6.4, RFC 2464 section 7).
func (f facts) groupAddr(proto uint16, packet []byte) ([6]byte, bool) {
	switch {
	case proto == unix.ETH_P_IP && len(packet) >= header.IPv4MinimumSize:
		dst := packet[16:20]
		ip := netip.AddrFrom4([4]byte(dst))
		switch {
		case ip.IsMulticast():
			return [6]byte{0x01, 0x00, 0x5e, dst[1] & 0x7f, dst[2], dst[3]}, true
		case slices.Contains(f.broadcasts, ip):
			return broadcastAddr, true
		}
	case proto == unix.ETH_P_IPV6 && len(packet) >= header.IPv6MinimumSize && packet[24] == 0xff:
		return [6]byte{0x33, 0x33, packet[36], packet[37], packet[38], packet[39]}, true
	}
	return [6]byte{}, false
}

// fillChecksum puts the checksum into a TCP or UDP packet that has none: the
// link and lo carry packets without.
func fillChecksum(proto uint16, packet []byte) {
	var n header.Network
	var body []byte
	switch {
	case proto == unix.ETH_P_IP && header.IPv4(packet).IsValid(len(packet)):
		h := header.IPv4(packet)
		if h.More() || h.FragmentOffset() != 0 {
			return
		}
		n, body = h, h.Payload()
	case proto == unix.ETH_P_IPV6 && header.IPv6(packet).IsValid(len(packet)):
		n, body = header.IPv6(packet), header.IPv6(packet).Payload()
	default:
		return
	}
	at := 0
	switch p := n.TransportProtocol(); {
	case p == header.TCPProtocolNumber && len(body) >= header.TCPMinimumSize:
		at = header.TCPChecksumOffset
	case p == header.UDPProtocolNumber && len(body) >= header.UDPMinimumSize:
		at = 6
	default:
		return
	}
	if body[at] != 0 || body[at+1] != 0 {
		return
	}
	x := header.PseudoHeaderChecksum(n.TransportProtocol(), n.SourceAddress(), n.DestinationAddress(), uint16(len(body)))
	checksum.Put(body[at:], ^checksum.Checksum(body, x))
}

// SendFrame puts an Ethernet frame on an interface past the IP layer, as packet
// sockets do. The tap sees what comes of it, not the frame itself. ENXIO: there
// is no such interface. ENOBUFS: its queue is full. EINVAL: it has no header.
func (s *Stack) SendFrame(nic int32, frame []byte) unix.Errno {
	if len(frame) < HeaderLen {
		return unix.EINVAL
	}
	dst, proto, packet := [6]byte(frame), binary.BigEndian.Uint16(frame[12:]), frame[HeaderLen:]
	var device stack.LinkEndpoint
	switch {
	case nic == Loopback:
		device = s.loop
		if proto != unix.ETH_P_IPV6 && !(proto == unix.ETH_P_IP && !s.martian(packet)) {
			// Netstack would show it to nobody, or take it.
			if t := s.tap.Load(); t != nil {
				t.show(nic, proto, false, packet)
			}
			return 0
		}
	case nic == Ethernet && s.link != nil:
		device = s.link
		if dst != gatewayAddr && addressType(dst) == unix.PACKET_HOST {
			return 0 // nobody has that address
		}
		if proto == unix.ETH_P_ARP {
			s.answerARP(packet)
			return 0
		}
	case s.hasInterface(nic):
		return 0 // it leads nowhere
	default:
		return unix.ENXIO
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	defer pkt.DecRef()
	pkt.NetworkProtocolNumber = tcpip.NetworkProtocolNumber(proto)
	var list stack.PacketBufferList
	list.PushBack(pkt)
	_, err := device.WritePackets(list)
	return errno(err)
}

// martian says whether an IPv4 packet that did not come out of this host's IP
// layer would be refused by it: from lo's network, to it, or from one of the
// host's own addresses (ip_route_input_slow, fib_validate_source).
func (s *Stack) martian(packet []byte) bool {
	if len(packet) < header.IPv4MinimumSize {
		return false
	}
	src, dst := netip.AddrFrom4([4]byte(packet[12:])), netip.AddrFrom4([4]byte(packet[16:]))
	return src.IsLoopback() || dst.IsLoopback() || s.ownFact(src)
}

// answerARP answers a request for the address of one of the neighbours: the
// link resolves no addresses, but programs ask (arping, nmap).
func (s *Stack) answerARP(request []byte) {
	h := header.ARP(request)
	t := s.tap.Load()
	if t == nil || !h.IsValid() || h.Op() != header.ARPRequest {
		return
	}
	asked := netip.AddrFrom4([4]byte(h.ProtocolAddressTarget()))
	for _, n := range s.neighbours {
		if n != asked {
			continue
		}
		reply := header.ARP(make([]byte, header.ARPSize))
		reply.SetIPv4OverEthernet()
		reply.SetOp(header.ARPReply)
		copy(reply.HardwareAddressSender(), gatewayAddr[:])
		copy(reply.ProtocolAddressSender(), h.ProtocolAddressTarget())
		copy(reply.HardwareAddressTarget(), h.HardwareAddressSender())
		copy(reply.ProtocolAddressTarget(), h.ProtocolAddressSender())
		t.show(Ethernet, unix.ETH_P_ARP, false, reply)
		return
	}
}
