package stack

import "sync/atomic"

// past counts bytes that went past the stack: those of connections whose packets
// nobody has made.
type past struct{ rxBytes, rxPackets, txBytes, txPackets atomic.Uint64 }

// CountPast adds to an interface's counters what was carried without packets: a
// piece of in bytes that came, and one of out bytes that went; 0: none.
func (s *Stack) CountPast(nic int32, in, out int) {
	p := &s.pastEthernet
	if nic == Loopback {
		p = &s.pastLoopback
	}
	if in > 0 {
		p.rxBytes.Add(uint64(in))
		p.rxPackets.Add(1)
	}
	if out > 0 {
		p.txBytes.Add(uint64(out))
		p.txPackets.Add(1)
	}
}

// addTo adds what has been counted.
func (p *past) addTo(s *InterfaceStats) {
	s.RxBytes += p.rxBytes.Load()
	s.RxPackets += p.rxPackets.Load()
	s.TxBytes += p.txBytes.Load()
	s.TxPackets += p.txPackets.Load()
}
