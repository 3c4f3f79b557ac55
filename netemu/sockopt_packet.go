package netemu

import (
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netdev"
	"netbox/netemu/ring"
	"netbox/trap"
)

// maxMemberships bounds what a packet socket may join; each only counts.
const maxMemberships = 64

// packetOptions are the rows of level SOL_PACKET, see packet(7).
var packetOptions = map[int32]option{
	unix.PACKET_ADD_MEMBERSHIP:  {name: "PACKET_ADD_MEMBERSHIP", set: addMembership, least: abi.SizeofPacketMreq, partial: "there are no frames but the sandbox's own"},
	unix.PACKET_DROP_MEMBERSHIP: {name: "PACKET_DROP_MEMBERSHIP", set: dropMembership, least: abi.SizeofPacketMreq},

	unix.PACKET_VERSION: exactly(abi.SizeofInt, option{name: "PACKET_VERSION", setInt: setVersion, getInt: func(s socket) (int32, unix.Errno) {
		return onPacket(s, func(p *packet) (int32, unix.Errno) { return int32(p.version), 0 })
	}, partial: "TPACKET_V1 and V2; V3: EINVAL, as before Linux 3.2"}),
	unix.PACKET_RESERVE: exactly(abi.SizeofInt, option{name: "PACKET_RESERVE", setInt: setReserve, getInt: func(s socket) (int32, unix.Errno) {
		return onPacket(s, func(p *packet) (int32, unix.Errno) { return int32(p.reserve), 0 })
	}}),
	unix.PACKET_RX_RING: {name: "PACKET_RX_RING", set: setRing, least: abi.SizeofTpacketReq, size: abi.SizeofTpacketReq},

	unix.PACKET_STATISTICS: {name: "PACKET_STATISTICS", get: takeStatistics},
	unix.PACKET_AUXDATA:    want("PACKET_AUXDATA", func(w *wanted) *bool { return &w.auxData }),
	unix.PACKET_IGNORE_OUTGOING: exactly(abi.SizeofInt, option{name: "PACKET_IGNORE_OUTGOING", setInt: setIgnoreOutgoing, getInt: func(s socket) (int32, unix.Errno) {
		return onPacket(s, func(p *packet) (int32, unix.Errno) { return oneIf(p.ignoreOutgoing), 0 })
	}}),
	packetHeaderLen: {name: "PACKET_HDRLEN", answer: answerHeaderLen},

	unix.PACKET_ORIGDEV:      rememberedFlag("PACKET_ORIGDEV", "no interface is part of another", 0),
	unix.PACKET_TIMESTAMP:    exactly(abi.SizeofInt, remembered("PACKET_TIMESTAMP", "time stamps are the software's", 0, math.MinInt32, math.MaxInt32)),
	unix.PACKET_LOSS:         exactly(abi.SizeofInt, rememberedFlag("PACKET_LOSS", "there is no ring to send from", 0)),
	unix.PACKET_QDISC_BYPASS: exactly(abi.SizeofInt, rememberedFlag("PACKET_QDISC_BYPASS", "there is no queueing discipline", 0)),
	unix.PACKET_COPY_THRESH:  exactly(abi.SizeofInt, option{name: "PACKET_COPY_THRESH", setInt: rememberedFlag("PACKET_COPY_THRESH", "", 0).setInt, partial: "packets larger than a frame are cut"}),
}

// packetHeaderLen is PACKET_HDRLEN (<linux/if_packet.h>).
const packetHeaderLen = unix.PACKET_HDRLEN

// exactly is a row that takes values of n bytes only.
func exactly(n int, o option) option {
	o.least, o.most = n, n
	return o
}

func isPacket(id *identity) bool { return id.family == unix.AF_PACKET }

// onPacket calls f with the transport of s, locked.
func onPacket[T any](s socket, f func(*packet) (T, unix.Errno)) (T, unix.Errno) {
	p := s.(*datagram).tr.(*packet) // the level is packet sockets' alone
	p.mu.Lock()
	defer p.mu.Unlock()
	return f(p)
}

func changePacket(s socket, f func(*packet) unix.Errno) unix.Errno {
	_, errno := onPacket(s, func(p *packet) (struct{}, unix.Errno) { return struct{}{}, f(p) })
	return errno
}

// addMembership is packet_mc_add. Promiscuous or not, an interface shows all
// that crosses it.
func addMembership(s socket, value []byte) unix.Errno {
	m, errno := abi.ParsePacketMreq(value)
	if errno != 0 {
		return errno
	}
	if !hasInterface(s, m.NIC) {
		return unix.ENODEV
	}
	if m.AddrLen > netdev.HardwareAddrLen {
		return unix.EINVAL
	}
	return changePacket(s, func(p *packet) unix.Errno {
		if len(p.memberships) >= maxMemberships {
			return unix.ENOBUFS
		}
		p.memberships = append(p.memberships, m)
		return 0
	})
}

func dropMembership(s socket, value []byte) unix.Errno {
	m, errno := abi.ParsePacketMreq(value)
	if errno != 0 {
		return errno
	}
	return changePacket(s, func(p *packet) unix.Errno {
		if i := slices.Index(p.memberships, m); i >= 0 {
			p.memberships = slices.Delete(p.memberships, i, i+1)
		}
		return 0 // also to who is no member
	})
}

func setVersion(s socket, v int32) unix.Errno {
	if v != ring.V1 && v != ring.V2 {
		return unix.EINVAL
	}
	return changePacket(s, func(p *packet) unix.Errno {
		if p.ring != nil {
			return unix.EBUSY
		}
		p.version = int(v)
		return 0
	})
}

func setReserve(s socket, v int32) unix.Errno {
	if v < 0 {
		return unix.EINVAL
	}
	return changePacket(s, func(p *packet) unix.Errno {
		if p.ring != nil {
			return unix.EBUSY
		}
		p.reserve = uint32(v)
		return 0
	})
}

func setRing(s socket, value []byte) unix.Errno {
	q, errno := abi.ParseTpacketReq(value)
	if errno != 0 {
		return errno
	}
	return s.(*datagram).tr.(*packet).setRing(q)
}

func setIgnoreOutgoing(s socket, v int32) unix.Errno {
	if v < 0 || v > 1 {
		return unix.EINVAL
	}
	return changePacket(s, func(p *packet) unix.Errno {
		p.ignoreOutgoing = v == 1
		return 0
	})
}

// takeStatistics is PACKET_STATISTICS: what has come since it was last asked,
// dropped packets among them.
func takeStatistics(s socket, _ int) ([]byte, unix.Errno) {
	return onPacket(s, func(p *packet) ([]byte, unix.Errno) {
		st := abi.TpacketStats{Packets: p.packets + p.full, Drops: p.full}
		p.packets, p.full = 0, 0
		return st.Bytes(), 0
	})
}

// answerHeaderLen is PACKET_HDRLEN, whose value says on the way in for which
// version the length of the header is asked.
func answerHeaderLen(t trap.Task, c trap.Call, _ socket, length int) unix.Errno {
	if length < abi.SizeofInt {
		return unix.EINVAL
	}
	v, errno := readInt32(t, c.Pointer(3))
	if errno != 0 {
		return errno
	}
	switch v {
	case ring.V1:
		return writeOption(t, c, abi.IntBytes(abi.SizeofTpacketHdr), length)
	case ring.V2:
		return writeOption(t, c, abi.IntBytes(abi.SizeofTpacket2Hdr), length)
	}
	return unix.EINVAL
}
