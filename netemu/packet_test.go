package netemu

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/filter"
	"netbox/netemu/stack"
)

// keeping is a filter that keeps n bytes of every packet.
func keeping(t *testing.T, n uint32) *filter.Program {
	t.Helper()
	raw := binary.NativeEndian.AppendUint16(nil, unix.BPF_RET|unix.BPF_K)
	raw = binary.NativeEndian.AppendUint32(append(raw, 0, 0), n)
	prog, errno := filter.New(raw)
	if errno != 0 {
		t.Fatal(errno)
	}
	return prog
}

// TestPacketQueueBound: what a packet socket keeps is bounded by SO_RCVBUF, however
// little its filter leaves of a frame.
func TestPacketQueueBound(t *testing.T) {
	if size := unsafe.Sizeof(received{}) + unsafe.Sizeof(abi.TpacketAuxdata{}); size > queuedCost {
		t.Errorf("an entry of %d bytes is charged %d", size, queuedCost)
	}
	const most = defaultBuffer/queuedCost + 1
	for _, c := range []struct {
		name   string
		cooked bool
		frame  int
		filter *filter.Program
	}{
		{"cut", false, 64 << 10, keeping(t, 1)},
		{"cut cooked", true, 64 << 10, keeping(t, 1)},
		{"empty cooked", true, stack.HeaderLen, nil},
		{"whole", false, 1514, nil},
	} {
		p := &packet{sock: &datagram{}, cooked: c.cooked, protocol: unix.ETH_P_ALL, notify: func() {}}
		p.sock.filter.Store(c.filter)
		for range most + 100 {
			p.take(stack.Frame{NIC: stack.Loopback, Protocol: unix.ETH_P_IP, Data: make([]byte, c.frame)})
		}
		pinned := 0
		for _, r := range p.queue {
			pinned += cap(r.data)
		}
		if len(p.queue) > most || pinned > defaultBuffer+c.frame || p.full == 0 {
			t.Errorf("%s: %d frames with %d bytes are kept, %d dropped", c.name, len(p.queue), pinned, p.full)
		}
		for range len(p.queue) {
			if _, _, errno := p.receive(nil); errno != 0 {
				t.Error(errno)
			}
		}
		if p.queued != 0 {
			t.Errorf("%s: the empty queue is charged %d bytes", c.name, p.queued)
		}
	}
}
