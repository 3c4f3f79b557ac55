package netemu

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/filter"
	"netbox/netemu/stack"
	"netbox/netemu/surrogate"
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
	least := memoryOf(0, 0)
	if size := int(unsafe.Sizeof(received{}) + unsafe.Sizeof(abi.TpacketAuxdata{})); size > least {
		t.Errorf("an entry of %d bytes is charged %d", size, least)
	}
	most := defaultBuffer/least + 1
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
		sur, pair, err := surrogate.NewDatagram[arrival](true)
		if err != nil {
			t.Fatal(err)
		}
		p := &packet{sock: &datagram{sur: sur}, cooked: c.cooked, protocol: unix.ETH_P_ALL, notify: func() {}}
		p.sock.filter.Store(c.filter)
		for range most + 100 {
			p.take(stack.Frame{NIC: stack.Loopback, Protocol: unix.ETH_P_IP, Data: make([]byte, c.frame)})
		}
		pinned := 0
		for _, r := range p.sock.in.list {
			pinned += cap(r.data)
		}
		n := len(p.sock.in.list)
		if n > most || pinned > defaultBuffer+c.frame || p.full == 0 {
			t.Errorf("%s: %d frames with %d bytes are kept, %d dropped", c.name, n, pinned, p.full)
		}
		for range n {
			if _, errno := p.sock.forward(); errno != 0 {
				break
			}
		}
		left := len(p.sock.in.list)
		for range n - left {
			if _, err := unix.Read(pair.T, make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}
		want := 0
		for _, r := range p.sock.in.list {
			want += r.a.memory
		}
		if got := p.sock.receiveMemory(); got != want {
			t.Errorf("%s: %d frames are charged %d bytes, want %d", c.name, left, got, want)
		}
		sur.Close()
		unix.Close(pair.T)
	}
}
