package link

import (
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// DefaultMTU is the link MTU in bytes when nothing real follows the link: the
// largest multiple of 16 below the 65535 bytes of an IPv4 total length, so
// that one IP packet is as large as IP allows and per-packet costs are paid
// least often.
const DefaultMTU = 65520

// Endpoint is one end of a link: what a netstack NIC sits on.
type Endpoint interface {
	stack.LinkEndpoint
	// Stats tells what crossed this end so far.
	Stats() Stats
}

// Stats counts packets and IP bytes at one end of a link since it was made.
type Stats struct {
	TxPackets, TxBytes uint64 // accepted from this end's stack
	RxPackets, RxBytes uint64 // delivered to this end's stack
	TxDropped          uint64 // refused: reserve used up, maxWait over, or an end closed
	TxWaits            uint64 // times a writer had to wait for room
}

// New returns the two ends of a new link. mtu is in bytes, IP header included;
// 0 means DefaultMTU.
func New(mtu int) (a, b Endpoint) {
	if mtu == 0 {
		mtu = DefaultMTU
	}
	x := &end{mtu: uint32(mtu), in: newQueue()}
	y := &end{mtu: uint32(mtu), in: newQueue()}
	x.peer, y.peer = y, x
	return x, y
}

// end implements Endpoint. Its life: made ─Attach▶ attached ─Close▶ closed.
type end struct {
	peer *end
	in   *queue // what travels towards this end

	wg sync.WaitGroup // the delivery goroutine

	mu         sync.Mutex
	mtu        uint32
	addr       tcpip.LinkAddress
	dispatcher stack.NetworkDispatcher
	started    bool
	closed     bool
	onClose    func()
	tx, rx     counts
}

// counts are the packets and bytes of one direction at one end.
type counts struct{ packets, bytes, dropped, waits uint64 }

// Attach implements stack.LinkEndpoint. The first attachment starts delivery;
// nil only stops it from finding a dispatcher, because netstack detaches under
// a lock that delivery may need.
func (e *end) Attach(d stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dispatcher = d
	if d == nil || e.started || e.closed {
		return
	}
	e.started = true
	e.wg.Add(1) // deliver
	go e.deliver()
}

// deliver hands everything that arrives to the stack until the end is closed.
func (e *end) deliver() {
	defer e.wg.Done()
	var batch []*stack.PacketBuffer
	for {
		var ok bool
		if batch, ok = e.in.takeAll(batch[:0]); !ok {
			return
		}
		for i, pkt := range batch {
			e.deliverOne(pkt)
			pkt.DecRef()
			batch[i] = nil
		}
	}
}

// deliverClaimed delivers what a writer has brought to an idle end.
func (e *end) deliverClaimed(pkt *stack.PacketBuffer) {
	defer e.in.unclaim()
	e.deliverOne(pkt)
	pkt.DecRef()
}

func (e *end) deliverOne(pkt *stack.PacketBuffer) {
	size := uint64(pkt.Size())
	e.mu.Lock()
	d := e.dispatcher
	if d != nil {
		e.rx.packets++
		e.rx.bytes += size
	}
	e.mu.Unlock()
	if d != nil {
		d.DeliverNetworkPacket(pkt.NetworkProtocolNumber, pkt)
	}
}

// WritePackets implements stack.LinkEndpoint: it queues pkts towards the peer
// and waits for room as the package documentation tells.
func (e *end) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	var done counts
	for _, pkt := range pkts.AsSlice() {
		size := uint64(pkt.Size())
		v := verdictClosed
		switch {
		case e.isClosed():
		case isDatagram(pkt) && e.peer.in.claim():
			e.peer.deliverClaimed(inbound(pkt))
			v.queued = true
		default:
			v = e.peer.in.put(inbound(pkt), isControl(pkt))
		}
		if v.waited {
			done.waits++
		}
		if !v.queued {
			done.dropped++
			continue
		}
		done.packets++
		done.bytes += size
	}
	e.mu.Lock()
	e.tx.packets += done.packets
	e.tx.bytes += done.bytes
	e.tx.dropped += done.dropped
	e.tx.waits += done.waits
	e.mu.Unlock()
	if done.dropped > 0 && done.packets == 0 {
		return 0, &tcpip.ErrNoBufferSpace{}
	}
	return int(done.packets), nil
}

// inbound makes the packet that the peer's stack will parse. It shares the
// sender's views and has its mark, by which the stacks at the two ends may tell
// each other what no header says. The caller owns its one reference.
func inbound(pkt *stack.PacketBuffer) *stack.PacketBuffer {
	in := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: pkt.ToBuffer(), Mark: pkt.Mark})
	in.NetworkProtocolNumber = pkt.NetworkProtocolNumber
	return in
}

// isDatagram says whether the writer may deliver pkt itself.
func isDatagram(pkt *stack.PacketBuffer) bool {
	return pkt.TransportProtocolNumber == header.UDPProtocolNumber
}

// isControl says whether netstack may write pkt on a delivery goroutine.
func isControl(pkt *stack.PacketBuffer) bool {
	switch pkt.TransportProtocolNumber {
	case header.TCPProtocolNumber:
		h := header.TCP(pkt.TransportHeader().Slice())
		return len(h) >= header.TCPMinimumSize && h.Flags().Contains(header.TCPFlagRst)
	case header.UDPProtocolNumber:
		return false
	default:
		return true
	}
}

// Close implements stack.LinkEndpoint.
func (e *end) Close() {
	e.mu.Lock()
	e.closed = true
	f := e.onClose
	e.onClose = nil
	e.mu.Unlock()
	e.in.close()
	if f != nil {
		f()
	}
}

func (e *end) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// Wait implements stack.LinkEndpoint: it returns when the delivery goroutine
// of a closed end has ended.
func (e *end) Wait() { e.wg.Wait() }

// Stats implements Endpoint.
func (e *end) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{
		TxPackets: e.tx.packets, TxBytes: e.tx.bytes,
		RxPackets: e.rx.packets, RxBytes: e.rx.bytes,
		TxDropped: e.tx.dropped, TxWaits: e.tx.waits,
	}
}
