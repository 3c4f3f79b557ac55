package link

import (
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
	TxPackets, TxBytes uint64 // written by this end's stack
	RxPackets, RxBytes uint64 // delivered to this end's stack
	TxDropped          uint64 // control packets refused because the reserve was full, or written after Close
	TxWaits            uint64 // times a writer had to wait for room
}
