package icmp

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// control is what the kernel tells about a packet beside its bytes.
type control struct {
	// stamp is SCM_TIMESTAMPNS in ns since 1970, 0 if there was none.
	stamp int64
	// ttl is IP_TTL or IPV6_HOPLIMIT, 0 if there was none.
	ttl uint8
	// overflows is SO_RXQ_OVFL: how many packets the socket has dropped.
	overflows uint32
	// err is the sock_extended_err of a packet from the error queue, and
	// offender the address behind it (SO_EE_OFFENDER).
	err      *unix.SockExtendedErr
	offender netip.Addr
}

// parseControl reads the control messages of one packet; the kernel wrote
// them, so what does not fit is left out rather than reported.
func parseControl(b []byte) control {
	var c control
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break
		}
		b = rest
		c.read(h.Level, h.Type, data)
	}
	return c
}

func (c *control) read(level, typ int32, data []byte) {
	switch {
	case level == unix.SOL_SOCKET && typ == unix.SCM_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
		c.stamp = (*unix.Timespec)(unsafe.Pointer(&data[0])).Nano()
	case level == unix.SOL_SOCKET && typ == unix.SO_RXQ_OVFL && len(data) >= 4:
		c.overflows = *(*uint32)(unsafe.Pointer(&data[0]))
	case (level == unix.SOL_IP && typ == unix.IP_TTL || level == unix.SOL_IPV6 && typ == unix.IPV6_HOPLIMIT) && len(data) >= 4:
		c.ttl = uint8(*(*int32)(unsafe.Pointer(&data[0])))
	case (level == unix.SOL_IP && typ == unix.IP_RECVERR || level == unix.SOL_IPV6 && typ == unix.IPV6_RECVERR) &&
		len(data) >= int(unsafe.Sizeof(unix.SockExtendedErr{})):
		c.readError(data)
	}
}

// readError copies the sock_extended_err out and reads the socket address
// that follows it (ip(7), IP_RECVERR).
func (c *control) readError(data []byte) {
	const size = unsafe.Sizeof(unix.SockExtendedErr{})
	ee := *(*unix.SockExtendedErr)(unsafe.Pointer(&data[0]))
	c.err = &ee
	var sa unix.RawSockaddrInet6
	n := copy((*[unix.SizeofSockaddrInet6]byte)(unsafe.Pointer(&sa))[:], data[size:])
	c.offender = addrOf(&sa, uint32(n))
}

// sendControl is a control buffer with room for two ints: TTL and TOS. Its
// type gives it the alignment that cmsghdr needs.
type sendControl [2]intControl

// intControl is a control message that carries one int, padded as CMSG_SPACE
// does.
type intControl struct {
	hdr   unix.Cmsghdr
	value int32
	_     [4]byte
}

// fill writes the messages that ask for ttl (0: the socket's default) and tos
// and answers the length of the control buffer.
func (c *sendControl) fill(f family, ttl, tos uint8) int {
	n := 0
	add := func(level, typ int32, value uint8) {
		c[n].hdr.Level, c[n].hdr.Type, c[n].value = level, typ, int32(value)
		c[n].hdr.SetLen(unix.CmsgLen(4))
		n++
	}
	ttlType, tosType, level := int32(unix.IP_TTL), int32(unix.IP_TOS), int32(unix.SOL_IP)
	if f == inet6 {
		ttlType, tosType, level = unix.IPV6_HOPLIMIT, unix.IPV6_TCLASS, unix.SOL_IPV6
	}
	if ttl != 0 {
		add(level, ttlType, ttl)
	}
	if tos != 0 {
		add(level, tosType, tos)
	}
	return n * unix.CmsgSpace(4)
}
