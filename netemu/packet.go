package netemu

import (
	"encoding/binary"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/filter"
	"netbox/netemu/netdev"
	"netbox/netemu/ring"
	"netbox/netemu/stack"
	"netbox/trap"
)

// packet is the transport of a packet socket, see packet(7): it is shown the
// frames of the interfaces by [packetSockets], and keeps those that it wants in
// the inbox or in the ring that the program has mapped.
type packet struct {
	e      *Emulator
	sock   *datagram
	cooked bool // SOCK_DGRAM: without link header

	mu       sync.Mutex
	protocol uint16 // EtherType; 0: none, ETH_P_ALL: any
	nic      int32  // 0: any
	// full counts the packets that the limits of the queue dropped and packets
	// those that were kept, since the program last asked (PACKET_STATISTICS).
	full, packets  uint32
	ignoreOutgoing bool
	memberships    []abi.PacketMreq
	notify         func()

	version int
	reserve uint32
	ring    *ring.Ring
	// fd is the descriptor that the ring was last mapped by. woken says that an
	// empty datagram waits in the surrogate, so that poll(2) tells POLLIN.
	fd    int32
	woken bool
}

// socketPacket makes an AF_PACKET socket.
func (e *Emulator) socketPacket(t trap.Task, id identity, flags int) trap.Verdict {
	if id.typ != unix.SOCK_RAW && id.typ != unix.SOCK_DGRAM {
		e.ledger.count(t, "packet socket type", id.typ)
		return trap.Fail(unix.ESOCKTNOSUPPORT)
	}
	p := &packet{e: e, cooked: id.typ == unix.SOCK_DGRAM, fd: -1, protocol: swap16(uint16(id.protocol))}
	id.protocol = 0 // what SO_PROTOCOL tells
	d, file, errno := e.startDatagram(id, flags, p)
	if errno != 0 {
		return trap.Fail(errno)
	}
	e.packets.add(p)
	return install(file, flags, d.close)
}

func (p *packet) partOf(d *datagram) { p.sock = d }

// swap16 is htons and ntohs: a __be16 of the program as a number.
func swap16(v uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v))
}

// bind names the interface and the protocol; none leaves the protocol as it is.
func (p *packet) bind(sa abi.Sockaddr) unix.Errno {
	if _, ok := p.device(sa.Link.NIC); !ok && sa.Link.NIC != 0 {
		return unix.ENODEV
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nic = sa.Link.NIC
	if sa.Link.Protocol != 0 {
		p.protocol = sa.Link.Protocol
	}
	return 0
}

func (p *packet) device(nic int32) (stack.Interface, bool) {
	for _, i := range p.e.stack.Interfaces() {
		if i.Index == nic {
			return i, true
		}
	}
	return stack.Interface{}, false
}

func (p *packet) connect(abi.Sockaddr) unix.Errno { return unix.EOPNOTSUPP }
func (p *packet) disconnect() unix.Errno          { return unix.EOPNOTSUPP }

func (p *packet) name() (abi.Sockaddr, unix.Errno) {
	p.mu.Lock()
	link := abi.SockaddrLL{Protocol: p.protocol, NIC: p.nic}
	p.mu.Unlock()
	if i, ok := p.device(link.NIC); ok {
		link.HardwareType = netdev.HardwareType(i)
		link.Addr, link.AddrLen = abi.LinkAddr(i.HardwareAddr[:])
	}
	return abi.Sockaddr{Family: unix.AF_PACKET, Link: link, LinkName: true}, 0
}

func (p *packet) peer() (abi.Sockaddr, unix.Errno) { return abi.Sockaddr{}, unix.EOPNOTSUPP }

// vlanHeader is what an interface takes beyond its MTU (VLAN_HLEN), in bytes.
const vlanHeader = 4

// send is packet_snd.
func (p *packet) send(b []byte, to *abi.Sockaddr, _ *stack.SendControl) unix.Errno {
	p.mu.Lock()
	link := abi.SockaddrLL{NIC: p.nic, Protocol: p.protocol}
	p.mu.Unlock()
	if to != nil {
		link = to.Link
	}
	i, ok := p.device(link.NIC)
	if !ok {
		return unix.ENXIO
	}
	if !i.Up {
		return unix.ENETDOWN
	}
	limit := i.MTU + vlanHeader
	if !p.cooked {
		limit += stack.HeaderLen
	}
	if len(b) > limit {
		return unix.EMSGSIZE
	}
	frame := b
	if p.cooked {
		if link.AddrLen < netdev.HardwareAddrLen && !i.Loopback {
			return unix.EINVAL // eth_header: where to?
		}
		frame = make([]byte, stack.HeaderLen, stack.HeaderLen+len(b))
		copy(frame[:netdev.HardwareAddrLen], link.Addr[:link.AddrLen])
		copy(frame[netdev.HardwareAddrLen:], i.HardwareAddr[:])
		binary.BigEndian.PutUint16(frame[2*netdev.HardwareAddrLen:], link.Protocol)
		frame = append(frame, b...)
	}
	if len(frame) < stack.HeaderLen {
		return unix.EINVAL
	}
	p.e.packets.sent(p, i, frame)
	return p.e.stack.SendFrame(i.Index, frame)
}

// receive has nothing: frames go to the inbox as they are shown.
func (p *packet) receive([]byte) (int, arrival, unix.Errno) { return 0, arrival{}, unix.EAGAIN }

func (p *packet) queuedError() (stack.QueuedError, bool) { return stack.QueuedError{}, false }
func (p *packet) endpoint() *stack.Endpoint              { return nil }

// subscribe implements source.
func (p *packet) subscribe(f func()) (cancel func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notify = f
	return func() {}
}

func (p *packet) close() {
	p.e.packets.remove(p)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ring != nil {
		p.ring.Close()
		p.ring = nil
	}
}

// take is shown a frame (packet_rcv, tpacket_rcv).
func (p *packet) take(f stack.Frame) {
	hardware := netdev.HardwareType(stack.Interface{Loopback: f.Loopback})
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wantsLocked(f) {
		return
	}
	data, header := f.Data, stack.HeaderLen
	if p.cooked {
		data, header = data[stack.HeaderLen:], 0
	}
	length := len(data)
	if prog := p.sock.filter.Load(); prog != nil {
		keep := prog.Run(&filter.Packet{
			Data: data, Network: header, Protocol: f.Protocol, PacketType: f.Type, Interface: f.NIC,
			HardwareType: hardware,
		})
		if keep == 0 {
			return
		}
		data = data[:min(uint32(length), keep)]
	}
	from := abi.SockaddrLL{
		Protocol: f.Protocol, NIC: f.NIC, HardwareType: hardware, PacketType: f.Type,
	}
	from.Addr, from.AddrLen = abi.LinkAddr(f.Data[netdev.HardwareAddrLen : 2*netdev.HardwareAddrLen])
	if p.ring != nil {
		p.putLocked(ring.Packet{Data: data, Len: length, LinkHeader: header, From: from, At: f.At, Status: unix.TP_STATUS_TS_SOFTWARE})
		return
	}
	p.queueLocked(f.Data, data, arrival{
		from:    abi.Sockaddr{Family: unix.AF_PACKET, Link: from},
		control: stack.Control{Timestamp: f.At, TTL: -1, TOS: -1, HopLimit: -1, TClass: -1},
		aux: &abi.TpacketAuxdata{
			Status: unix.TP_STATUS_USER, Len: uint32(length), SnapLen: uint32(len(data)), Net: uint16(header),
		},
	})
}

func (p *packet) wantsLocked(f stack.Frame) bool {
	outgoing := f.Type == unix.PACKET_OUTGOING
	switch {
	case p.nic != 0 && p.nic != f.NIC, outgoing && p.ignoreOutgoing:
		return false
	case p.protocol == unix.ETH_P_ALL:
		return true
	}
	return p.protocol != 0 && p.protocol == f.Protocol && !outgoing
}

// queueLocked keeps a packet of frame, as long as SO_RCVBUF has room.
func (p *packet) queueLocked(frame, data []byte, a arrival) {
	if len(data)+stack.HeaderLen < len(frame) { // cut: the rest would stay with it
		data = slices.Clone(data)
	}
	if !p.sock.put(data, a, memoryOf(len(frame)-stack.HeaderLen, ipv4Header+sizeofUDPHeader)) {
		p.full++
		return
	}
	p.packets++
	p.notify()
}
