package link

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// dummy is an end without a peer.
type dummy struct{ *end }

// NewDummy returns an end that takes every packet and leads nowhere, as the
// dummy device of Linux does. It has no goroutine.
func NewDummy(mtu int) Endpoint {
	return dummy{&end{mtu: uint32(mtu), in: newQueue()}}
}

// Attach implements stack.LinkEndpoint.
func (d dummy) Attach(n stack.NetworkDispatcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dispatcher = n
}

// WritePackets implements stack.LinkEndpoint.
func (d dummy) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, pkt := range pkts.AsSlice() {
		d.tx.packets++
		d.tx.bytes += uint64(pkt.Size())
	}
	return pkts.Len(), nil
}
