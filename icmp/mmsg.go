package icmp

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of <sys/socket.h>: a msghdr and the length that
// the kernel filled in. Its alignment pads it as C's does.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// recvmmsg receives up to len(hdrs) packets without waiting.
func recvmmsg(fd int, hdrs []mmsghdr, flags int) (int, unix.Errno) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&hdrs[0])),
			uintptr(len(hdrs)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// sendmmsg sends hdrs in order without waiting. n < len(hdrs) with errno 0
// means that sending hdrs[n] failed; the next call tells why.
func sendmmsg(fd int, hdrs []mmsghdr) (int, unix.Errno) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&hdrs[0])),
			uintptr(len(hdrs)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// receiveControlLen holds every control message that the sockets here ask
// for: SCM_TIMESTAMPNS (32 bytes with its header), SO_RXQ_OVFL (24), the TTL
// (24) and, from the error queue, sock_extended_err with an IPv6 offender
// (64).
const receiveControlLen = 192

// receiver is a batch of packet buffers for recvmmsg(2).
type receiver struct {
	hdrs     []mmsghdr
	iovs     []unix.Iovec
	names    []unix.RawSockaddrInet6 // the larger of the two families
	controls [][receiveControlLen]byte
	buffers  [][]byte
}

// newReceiver makes room for n packets of at most size bytes each. The kernel
// touches only what it fills, so that large buffers cost address space first.
func newReceiver(n, size int) *receiver {
	r := &receiver{
		hdrs:     make([]mmsghdr, n),
		iovs:     make([]unix.Iovec, n),
		names:    make([]unix.RawSockaddrInet6, n),
		controls: make([][receiveControlLen]byte, n),
		buffers:  make([][]byte, n),
	}
	all := make([]byte, n*size)
	for i := range r.hdrs {
		r.buffers[i] = all[i*size : (i+1)*size]
		r.iovs[i].Base = &r.buffers[i][0]
		r.iovs[i].SetLen(size)
		h := &r.hdrs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Control = &r.controls[i][0]
	}
	return r
}

// packet is one received packet. data aliases the receiver's buffer.
type packet struct {
	data []byte
	from netip.Addr
	control
}

// receive fills the batch and answers how many packets there are; EAGAIN when
// none. flags may be MSG_ERRQUEUE.
func (r *receiver) receive(fd, flags int) (int, unix.Errno) {
	for i := range r.hdrs {
		h := &r.hdrs[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(receiveControlLen)
		h.Flags = 0
	}
	n, errno := recvmmsg(fd, r.hdrs, flags)
	if errno != 0 {
		return 0, errno
	}
	return n, 0
}

// packet is packet i of the batch. A truncated one has no data.
func (r *receiver) packet(i int) packet {
	h := &r.hdrs[i]
	p := packet{
		from:    addrOf(&r.names[i], h.hdr.Namelen),
		control: parseControl(r.controls[i][:h.hdr.Controllen]),
	}
	if h.hdr.Flags&unix.MSG_TRUNC == 0 {
		p.data = r.buffers[i][:h.len]
	}
	return p
}

// addrOf reads a kernel socket address; the result has no zone.
func addrOf(sa *unix.RawSockaddrInet6, n uint32) netip.Addr {
	switch {
	case sa.Family == unix.AF_INET && n >= unix.SizeofSockaddrInet4:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr)
	case sa.Family == unix.AF_INET6 && n >= unix.SizeofSockaddrInet6:
		return netip.AddrFrom16(sa.Addr)
	}
	return netip.Addr{}
}

// putAddr writes dst as a kernel socket address and answers its length.
func putAddr(sa *unix.RawSockaddrInet6, dst netip.Addr) uint32 {
	*sa = unix.RawSockaddrInet6{}
	if dst.Is4() {
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		sa4.Family, sa4.Addr = unix.AF_INET, dst.As4()
		return unix.SizeofSockaddrInet4
	}
	sa.Family, sa.Addr = unix.AF_INET6, dst.As16()
	return unix.SizeofSockaddrInet6
}

// sender is a batch of echo requests for sendmmsg(2): n of them, of which the
// first done are dealt with. Payloads are not copied and must stay until
// then.
type sender struct {
	n, done  int
	hdrs     [maxBatch]mmsghdr
	iovs     [maxBatch][2]unix.Iovec
	names    [maxBatch]unix.RawSockaddrInet6
	controls [maxBatch]sendControl
	headers  [maxBatch][echoHeaderLen]byte
	slots    [maxBatch]uint32
}

// add appends a request whose slot and wire id and seq are given.
func (s *sender) add(r *Request, index uint32, id, seq uint16) {
	i := s.n
	s.n++
	f := familyOf(r.Dst)
	s.slots[i] = index
	putEchoRequest(s.headers[i][:], f, id, seq, r.Payload)
	iov := &s.iovs[i]
	iov[0].Base = &s.headers[i][0]
	iov[0].SetLen(echoHeaderLen)
	h := &s.hdrs[i].hdr
	*h = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&s.names[i])), Iov: &iov[0]}
	h.Namelen = putAddr(&s.names[i], r.Dst)
	h.SetIovlen(1)
	if len(r.Payload) > 0 {
		iov[1].Base = &r.Payload[0]
		iov[1].SetLen(len(r.Payload))
		h.SetIovlen(2)
	}
	if n := s.controls[i].fill(f, r.TTL, r.TOS); n > 0 {
		h.Control = (*byte)(unsafe.Pointer(&s.controls[i]))
		h.SetControllen(n)
	}
}

func (s *sender) pending() bool { return s.done < s.n }

func (s *sender) reset() { s.n, s.done = 0, 0 }
