package nat

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// hostError is an entry of a host socket's error queue, see IP_RECVERR in ip(7).
type hostError struct {
	errno unix.Errno
	// local says that the host's own IP layer would not send a packet; then
	// only Info of icmp means something, an MTU.
	local bool
	icmp  stack.ICMPError // From is invalid where the offender is not known
}

// readError takes one entry off the queue. size is how many bytes of the packet
// that caused it are in b, from behind the UDP header or from the TCP header
// on: as many as were quoted.
func (m *message) readError(fd uintptr, b []byte) (e hostError, size int, ok bool) {
	size, errno := m.receive(fd, b, unix.MSG_ERRQUEUE)
	if errno != 0 {
		return hostError{}, 0, false
	}
	m.each(func(level, typ int32, data []byte) {
		if level == unix.SOL_IP && typ == unix.IP_RECVERR || level == unix.SOL_IPV6 && typ == unix.IPV6_RECVERR {
			e.read(data)
		}
	})
	w := m.way()
	e.icmp.TTL, e.icmp.TOS = w.TTL, w.TOS
	return e, size, true
}

// read takes a sock_extended_err and the address behind it apart.
func (e *hostError) read(data []byte) {
	const size = int(unsafe.Sizeof(unix.SockExtendedErr{}))
	if len(data) < size {
		return
	}
	ee := (*unix.SockExtendedErr)(unsafe.Pointer(&data[0]))
	e.errno = unix.Errno(ee.Errno)
	e.local = ee.Origin != unix.SO_EE_ORIGIN_ICMP && ee.Origin != unix.SO_EE_ORIGIN_ICMP6
	e.icmp = stack.ICMPError{Type: ee.Type, Code: ee.Code, Info: ee.Info}
	sa := data[size:]
	switch {
	case len(sa) >= unix.SizeofSockaddrInet6 && familyOf(sa) == unix.AF_INET6:
		e.icmp.From = netip.AddrFrom16([16]byte(sa[8:24])).Unmap()
	case len(sa) >= unix.SizeofSockaddrInet4 && familyOf(sa) == unix.AF_INET:
		e.icmp.From = netip.AddrFrom4([4]byte(sa[4:8]))
	}
}

// familyOf reads sa_family of a socket address, whose alignment is 2.
func familyOf(sa []byte) uint16 { return *(*uint16)(unsafe.Pointer(&sa[0])) }
