// Package ring is the receive ring of a packet socket (PACKET_RX_RING,
// Documentation/networking/packet_mmap.rst): memory that the program maps and
// takes packets out of without system calls.
//
// The memory is a memfd(2) that supervisor and program both map, sealed against
// changes of its size, so that no access of the supervisor's can fault. It has
// frames of equal size, each with a header (TPACKET_V1 or TPACKET_V2) whose status
// word says whose it is: [Ring.Put] writes a packet into the next frame that is
// the kernel's and gives it to the program, which gives it back. The program can
// write anywhere at any time; nothing but status words is ever read.
//
// A Ring is not safe for concurrent use; its owner closes it.
package ring

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/abi"
)

// Versions of the frame's header.
const (
	V1 = unix.TPACKET_V1
	V2 = unix.TPACKET_V2
)

const (
	// HeaderLen is TPACKET_HDRLEN and TPACKET2_HDRLEN: the header and a struct
	// sockaddr_ll, in bytes.
	HeaderLen = abi.SizeofTpacket2Hdr + abi.SizeofSockaddrLL
	// align is TPACKET_ALIGNMENT.
	align = 16

	// maxBytes bounds the rings of all sockets together. tcpdump asks for 2 MiB,
	// and for more with -B; the memory is only taken when packets fill it.
	maxBytes = 512 << 20
)

// total is the size of all rings that there are.
var total atomic.Int64

// Ring is a ring and its memory.
type Ring struct {
	version            int
	reserve            int
	blockSize          int
	frameSize          int
	perBlock, nrFrames int
	head               int // of the next packet
	fd                 int
	mem                []byte
}

// Packet is what goes into a frame.
type Packet struct {
	Data []byte // from the link header on, if the socket is told it
	Len  int    // before a filter cut it
	// LinkHeader is how much of Data the link header is, in bytes; 0 if there is
	// none.
	LinkHeader int
	Status     uint32 // TP_STATUS_* beside TP_STATUS_USER
	From       abi.SockaddrLL
	At         time.Time
}

// New makes a ring with frames of the version, and reserve bytes between header
// and packet. EINVAL: the request does not add up (packet_set_ring). ENOMEM: it
// is too large.
func New(q abi.TpacketReq, version int, reserve uint32) (*Ring, unix.Errno) {
	if errno := check(q, reserve); errno != 0 {
		return nil, errno
	}
	size := int64(q.BlockSize) * int64(q.BlockCount)
	if size > maxBytes || total.Add(size) > maxBytes {
		if size <= maxBytes {
			total.Add(-size)
		}
		return nil, unix.ENOMEM
	}
	r := &Ring{
		version: version, reserve: int(reserve), blockSize: int(q.BlockSize), frameSize: int(q.FrameSize),
		perBlock: int(q.BlockSize / q.FrameSize), nrFrames: int(q.FrameCount), fd: -1,
	}
	if err := r.allocate(int(size)); err != nil {
		total.Add(-size)
		return nil, unix.ENOMEM
	}
	return r, 0
}

// check is what packet_set_ring finds wrong with a request.
func check(q abi.TpacketReq, reserve uint32) unix.Errno {
	switch {
	case int32(q.BlockSize) <= 0, int(q.BlockSize)%unix.Getpagesize() != 0,
		uint64(q.FrameSize) < HeaderLen+uint64(reserve), q.FrameSize%align != 0,
		q.FrameSize > q.BlockSize, q.BlockCount == 0:
		return unix.EINVAL
	}
	perBlock := q.BlockSize / q.FrameSize
	if perBlock > math.MaxUint32/q.BlockCount || perBlock*q.BlockCount != q.FrameCount {
		return unix.EINVAL
	}
	return 0
}

func (r *Ring) allocate(size int) error {
	fd, err := unix.MemfdCreate("packet-ring", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("memfd: %w", err)
	}
	if err = unix.Ftruncate(fd, int64(size)); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err == nil {
		r.mem, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("memfd: %w", err)
	}
	r.fd = fd
	return nil
}

// Close frees the ring. What a program has mapped it keeps.
func (r *Ring) Close() {
	total.Add(-int64(len(r.mem)))
	_ = unix.Munmap(r.mem)
	unix.Close(r.fd)
	r.mem, r.fd = nil, -1
}

// Size is the length that a program must map, in bytes.
func (r *Ring) Size() int { return len(r.mem) }

// File is a new descriptor of the memory, which the caller closes.
func (r *Ring) File() (int, unix.Errno) {
	fd, err := unix.FcntlInt(uintptr(r.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, unix.EMFILE
	}
	return fd, 0
}

// frame is the memory of frame i.
func (r *Ring) frame(i int) []byte {
	at := i/r.perBlock*r.blockSize + i%r.perBlock*r.frameSize
	return r.mem[at : at+r.frameSize : at+r.frameSize]
}

// status is the status word of a frame. Of TPACKET_V1's unsigned long it is the
// lower half, on little-endian machines as netbox runs on.
func status(frame []byte) *uint32 { return (*uint32)(unsafe.Pointer(&frame[0])) }

// Ready says whether poll(2) tells POLLIN: the last packet is still with the
// program (packet_poll).
func (r *Ring) Ready() bool {
	last := (r.head + r.nrFrames - 1) % r.nrFrames
	return atomic.LoadUint32(status(r.frame(last))) != unix.TP_STATUS_KERNEL
}

// Put gives the program a packet (tpacket_rcv). False: there is no room, the
// packet is dropped.
func (r *Ring) Put(p Packet) bool {
	net := alignUp(HeaderLen+max(p.LinkHeader, align)) + r.reserve
	if p.LinkHeader == 0 {
		net = alignUp(HeaderLen) + align + r.reserve
	}
	mac := net - p.LinkHeader
	frame := r.frame(r.head)
	word := status(frame)
	if net > math.MaxUint16 || atomic.LoadUint32(word) != unix.TP_STATUS_KERNEL {
		return false
	}
	r.head = (r.head + 1) % r.nrFrames
	n := max(0, min(len(p.Data), r.frameSize-mac))
	if n > 0 {
		copy(frame[mac:], p.Data[:n])
	}
	h := abi.TpacketHdr{
		Len: uint32(p.Len), SnapLen: uint32(n), Mac: uint16(mac), Net: uint16(net),
		Sec: uint32(p.At.Unix()), Nsec: uint32(p.At.Nanosecond()),
	}
	encoded := h.BytesV2()
	if r.version == V1 {
		encoded = h.BytesV1()
	}
	// The status word is the first of the frame, and is written last.
	copy(frame[4:abi.SizeofTpacket2Hdr], encoded[4:])
	copy(frame[abi.SizeofTpacket2Hdr:HeaderLen], p.From.Bytes())
	atomic.StoreUint32(word, unix.TP_STATUS_USER|p.Status)
	return true
}

// alignUp is TPACKET_ALIGN.
func alignUp(n int) int { return (n + align - 1) &^ (align - 1) }
