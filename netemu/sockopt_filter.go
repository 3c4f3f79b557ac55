package netemu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/filter"
	"netbox/trap"
)

// notFiltered denies a filter to sockets whose messages none is run on.
func notFiltered(s socket) unix.Errno {
	if _, ok := s.(*datagram); !ok || isNetlink(s.id()) {
		return unix.ENOPROTOOPT
	}
	return 0
}

// attachFilter is SO_ATTACH_FILTER; its value points to the program
// (sk_attach_filter).
func attachFilter(t trap.Task, s socket, value []byte) unix.Errno {
	d := s.(*datagram) // see notFiltered
	f, errno := abi.ParseSockFprog(value)
	if errno != 0 {
		return errno
	}
	if filterLocked(s) {
		return unix.EPERM
	}
	if f.Addr == 0 || f.Len == 0 {
		return unix.EINVAL
	}
	raw := make([]byte, int(f.Len)*filter.SizeofInstruction)
	if errno := t.ReadMemory(f.Addr, raw); errno != 0 {
		return errno
	}
	p, errno := filter.New(raw)
	if errno == 0 {
		d.filter.Store(p)
	}
	return errno
}

// detachFilter is SO_DETACH_FILTER (sk_detach_filter).
func detachFilter(s socket, _ int32) unix.Errno {
	d, ok := s.(*datagram)
	switch {
	case filterLocked(s):
		return unix.EPERM
	case !ok || d.filter.Swap(nil) == nil:
		return unix.ENOENT
	}
	return 0
}

// filterLock is SO_LOCK_FILTER.
const filterLock = "SO_LOCK_FILTER"

// lockFilter is SO_LOCK_FILTER, which cannot be undone.
func lockFilter(s socket, v int32) unix.Errno {
	if v == 0 && filterLocked(s) {
		return unix.EPERM
	}
	s.memo().put(filterLock, int64(oneIf(v != 0)))
	return 0
}

func filterLocked(s socket) bool { return s.memo().get(filterLock, 0) != 0 }

// answerFilter is SO_GET_FILTER: length and answer count instructions
// (sk_get_filter).
func answerFilter(t trap.Task, c trap.Call, s socket, length int) unix.Errno {
	var p *filter.Program
	if d, ok := s.(*datagram); ok {
		p = d.filter.Load()
	}
	if p == nil {
		return writeInt32(t, c.Pointer(4), 0)
	}
	if length > 0 {
		if length < p.Len() {
			return unix.EINVAL
		}
		if errno := t.WriteMemory(c.Pointer(3), p.Bytes()); errno != 0 {
			return errno
		}
	}
	return writeInt32(t, c.Pointer(4), int32(p.Len()))
}

// sizeofUDPHeader is the length of a UDP header (RFC 768), in bytes.
const sizeofUDPHeader = 8

// transportHeader is the UDP header of a received datagram, which its socket's
// filter sees, with a checksum of 0; nil on other sockets.
func (d *datagram) transportHeader(payload int, a arrival) []byte {
	u, ok := d.tr.(*udp)
	if !ok {
		return nil
	}
	b := binary.BigEndian.AppendUint16(nil, a.from.Addr.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(u.port.Load()))
	b = binary.BigEndian.AppendUint16(b, uint16(sizeofUDPHeader+payload))
	return append(b, 0, 0)
}

// filtered applies the socket's filter to a datagram that it received: how much
// of it to keep, 0 and false to drop it. Packet sockets filter for themselves,
// at what has a link header.
func (d *datagram) filtered(b []byte, a arrival) (n int, keep bool) {
	prog := d.filter.Load()
	if prog == nil || d.idn.family == unix.AF_PACKET {
		return len(b), true
	}
	header := d.transportHeader(len(b), a)
	pkt := filter.Packet{Data: append(header, b...), Network: -1, Protocol: unix.ETH_P_IP}
	if a.control.PktInfo != nil {
		pkt.Interface = a.control.PktInfo.NIC
	}
	if d.idn.family == unix.AF_INET6 {
		pkt.Protocol = unix.ETH_P_IPV6
	}
	if d.idn.typ == unix.SOCK_RAW && d.idn.family == unix.AF_INET {
		pkt.Network = 0
	}
	result := prog.Run(&pkt)
	if result == 0 {
		return 0, false
	}
	return max(0, min(int(result), len(pkt.Data))-len(header)), true
}
