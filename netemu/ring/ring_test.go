package ring

import (
	"bytes"
	"encoding/binary"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
)

func newRing(t *testing.T, q abi.TpacketReq, version int, reserve uint32) *Ring {
	t.Helper()
	r, errno := New(q, version, reserve)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(r.Close)
	return r
}

func packet(n int) Packet {
	return Packet{Data: bytes.Repeat([]byte{'x'}, n), Len: n, LinkHeader: 14, At: time.Unix(7, 8000)}
}

// TestPut: packets go round the ring, and none into a frame that was not given
// back.
func TestPut(t *testing.T) {
	for _, version := range []int{V1, V2} {
		r := newRing(t, abi.TpacketReq{BlockSize: 4096, BlockCount: 2, FrameSize: 1024, FrameCount: 8}, version, 0)
		if r.Ready() {
			t.Error("an empty ring is ready")
		}
		for i := range 20 {
			if !r.Put(packet(100+i)) || !r.Ready() {
				t.Fatalf("packet %d is not taken", i)
			}
			frame := r.frame(i % 8)
			if *status(frame) != unix.TP_STATUS_USER {
				t.Fatalf("packet %d: status %d", i, *status(frame))
			}
			offset := 4
			if version == V1 {
				offset = 8
			}
			if n := binary.NativeEndian.Uint32(frame[offset:]); n != uint32(100+i) {
				t.Errorf("packet %d: length %d", i, n)
			}
			atomic.StoreUint32(status(frame), unix.TP_STATUS_KERNEL)
			if r.Ready() {
				t.Error("ready when all was taken")
			}
		}
		for range 8 {
			r.Put(packet(60))
		}
		if r.Put(packet(60)) {
			t.Error("a full ring takes a packet")
		}
	}
}

// TestCut: what does not fit a frame is cut, down to nothing.
func TestCut(t *testing.T) {
	q := abi.TpacketReq{BlockSize: 4096, BlockCount: 1, FrameSize: 128, FrameCount: 32}
	for _, row := range []struct {
		reserve uint32
		frame   uint32
		want    uint32
	}{{0, 128, 128 - 66}, {16, 128, 128 - 82}, {128 - HeaderLen, 128, 0}} {
		r := newRing(t, q, V2, row.reserve)
		if !r.Put(packet(500)) {
			t.Fatal("not taken")
		}
		frame := r.frame(0)
		if length, snap := binary.NativeEndian.Uint32(frame[4:]), binary.NativeEndian.Uint32(frame[8:]); length != 500 || snap != row.want {
			t.Errorf("reserve %d: %d of %d bytes, want %d", row.reserve, snap, length, row.want)
		}
	}
	// tp_net has 16 bits.
	r := newRing(t, abi.TpacketReq{BlockSize: 1 << 18, BlockCount: 1, FrameSize: 1 << 18, FrameCount: 1}, V2, math.MaxUint16)
	if r.Put(packet(60)) {
		t.Error("an offset that does not fit tp_net")
	}
}

// TestMemory: a descriptor of the memory cannot change its size, and the rings
// of all sockets are bounded together.
func TestMemory(t *testing.T) {
	before := total.Load()
	q := abi.TpacketReq{BlockSize: 128 << 20, BlockCount: 1, FrameSize: 1 << 16, FrameCount: 2048}
	var rings []*Ring
	for {
		r, errno := New(q, V2, 0)
		if errno == unix.ENOMEM {
			break
		}
		if errno != 0 || len(rings) > 4 {
			t.Fatalf("%d rings, %v", len(rings), errno)
		}
		rings = append(rings, r)
	}
	if len(rings) == 0 {
		t.Fatal("no ring at all")
	}
	fd, errno := rings[0].File()
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Close(fd)
	for _, size := range []int64{0, 256 << 20} {
		if err := unix.Ftruncate(fd, size); err != unix.EPERM {
			t.Errorf("ftruncate to %d: %v", size, err)
		}
	}
	for _, r := range rings {
		r.Close()
	}
	if n := total.Load(); n != before {
		t.Errorf("%d bytes are still counted", n-before)
	}
}

// FuzzRing: no request and no packet makes a ring fail, whatever the program
// writes into its memory.
func FuzzRing(f *testing.F) {
	f.Add(uint32(4096), uint32(2), uint32(2048), uint32(4), uint32(0), true, []byte("packet"), 0)
	f.Add(uint32(4096), uint32(1), uint32(64), uint32(64), uint32(12), false, make([]byte, 2000), 14)
	f.Fuzz(func(t *testing.T, block, blocks, frame, frames, reserve uint32, v1 bool, data []byte, header int) {
		version := V2
		if v1 {
			version = V1
		}
		if uint64(block)*uint64(blocks) > 1<<24 {
			return // memory is not what is tried
		}
		r, errno := New(abi.TpacketReq{BlockSize: block, BlockCount: blocks, FrameSize: frame, FrameCount: frames}, version, reserve)
		if errno != 0 {
			return
		}
		defer r.Close()
		for range 2*frames%1000 + 1 {
			r.Put(Packet{Data: data, Len: len(data), LinkHeader: max(0, min(header, 14)), At: time.Now()})
			r.Ready()
		}
		for i := range r.mem {
			r.mem[i] = 0
		}
		r.Put(Packet{Data: data})
	})
}
