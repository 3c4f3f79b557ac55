package ptrace

import (
	"encoding/binary"

	"netbox/tracer/proc"

	"golang.org/x/sys/unix"
)

// message is a struct msghdr for recvmsg(2) or sendmsg(2) in a task. The scratch memory
// holds, in this order: the header, a control buffer for one descriptor, and
// an iovec with eight bytes for a message that the program is not to get.
type message struct {
	iov, iovLen uint64
	buf, bufLen uint64 // for iovLen 0; both 0: the eight bytes
	control     bool
	gives       bool // fd, and token as the eight bytes
	fd          int32
	token       uint64
}

// struct msghdr on 64-bit Linux, <linux/socket.h>.
const (
	hdrIOV        = 16
	hdrIOVLen     = 24
	hdrControl    = 32
	hdrControlLen = 40
	hdrFlags      = 48
	hdrLen        = 56

	cmsgAt  = hdrLen
	cmsgLen = 24 // CMSG_SPACE(sizeof(int)): length 0:8, level 8:12, type 12:16, fd 16:20
	cmsgFD  = 16

	iovAt     = cmsgAt + cmsgLen
	payloadAt = iovAt + 16
	// payloadLen holds a token of the control socket.
	payloadLen = 8
	messageLen = payloadAt + payloadLen
)

// lay puts the message on the task's stack and returns its address.
func (m *message) lay(t *task) (uint64, unix.Errno) {
	addr, e := t.borrow(messageLen)
	if e != 0 {
		return 0, e
	}
	var b [messageLen]byte
	put := func(at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
	if m.iovLen > 0 {
		put(hdrIOV, m.iov)
		put(hdrIOVLen, m.iovLen)
	} else {
		if m.buf == 0 && m.bufLen == 0 {
			m.buf, m.bufLen = addr+payloadAt, payloadLen
		}
		put(hdrIOV, addr+iovAt)
		put(hdrIOVLen, 1)
		put(iovAt, m.buf)
		put(iovAt+8, m.bufLen)
	}
	if m.control {
		put(hdrControl, addr+cmsgAt)
		put(hdrControlLen, cmsgLen)
	}
	if m.gives {
		put(cmsgAt, cmsgFD+4)
		put(cmsgAt+8, unix.SOL_SOCKET|unix.SCM_RIGHTS<<32)
		put(cmsgAt+cmsgFD, uint64(uint32(m.fd)))
		put(payloadAt, m.token)
	}
	return addr, t.fill(b[:])
}

// received are msg_flags and the descriptor (-1: none) of the message that
// the task took.
func received(t *task) (flags int, fd int32) {
	flags, fd, _ = receivedPayload(t)
	return flags, fd
}

// receivedPayload also gives the eight bytes.
func receivedPayload(t *task) (flags int, fd int32, payload uint64) {
	var b [messageLen]byte
	if proc.ReadMemory(t.tid, t.scratch.addr, b[:]) != 0 {
		return 0, -1, 0
	}
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	fd = -1
	if binary.LittleEndian.Uint64(b[hdrControlLen:]) >= cmsgFD+4 &&
		u32(cmsgAt+8) == unix.SOL_SOCKET && u32(cmsgAt+12) == unix.SCM_RIGHTS {
		fd = int32(u32(cmsgAt + cmsgFD))
	}
	return int(u32(hdrFlags)), fd, binary.LittleEndian.Uint64(b[payloadAt:])
}
