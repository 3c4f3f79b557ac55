package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
)

// wanted says which control messages a program has asked for, by the names of
// the options that ask.
type wanted struct {
	timestamp, timestampNS           bool
	timestamping                     int32 // SOF_TIMESTAMPING_*
	credentials                      bool  // of netlink: always the kernel's
	ttl, tos, pktInfo                bool
	hopLimit, trafficClass, pktInfo6 bool
	hopLimit2292, pktInfo2292        bool // RFC 2292's, with other numbers
	auxData                          bool
	overflow                         bool
}

// messages are the control messages that go with a datagram, in the order in
// which Linux adds them (sock_recv_timestamp, sock_recv_drops, then ip_cmsg_recv or
// ip6_datagram_recv_ctl).
func (w wanted) messages(family int, a arrival) []abi.Cmsg {
	var out []abi.Cmsg
	add := func(on bool, level, typ int32, data func() []byte) {
		if on {
			out = append(out, abi.Cmsg{Level: level, Type: typ, Data: data()})
		}
	}
	c := a.control
	add(w.timestampNS, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, func() []byte { return abi.TimespecAt(c.Timestamp).Bytes() })
	add(w.timestamp && !w.timestampNS, unix.SOL_SOCKET, unix.SO_TIMESTAMP, func() []byte { return abi.TimevalAt(c.Timestamp).Bytes() })
	const software = unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
	add(w.timestamping&software == software, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, func() []byte {
		// struct scm_timestamping: the software's, and two of hardware.
		return append(abi.TimespecAt(c.Timestamp).Bytes(), make([]byte, 2*abi.SizeofTimespec)...)
	})
	add(w.overflow && a.drops > 0, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, func() []byte { return abi.IntBytes(int32(a.drops)) })
	add(w.credentials, unix.SOL_SOCKET, unix.SCM_CREDENTIALS, func() []byte { return abi.Ucred{}.Bytes() })
	v6 := family == unix.AF_INET6
	add(w.pktInfo && c.PktInfo != nil && c.PktInfo.Dst.Unmap().Is4(), unix.SOL_IP, unix.IP_PKTINFO, func() []byte {
		return abi.InPktinfo{NIC: c.PktInfo.NIC, Local: c.PktInfo.Local.Unmap(), Dst: c.PktInfo.Dst.Unmap()}.Bytes()
	})
	add(w.ttl && c.TTL >= 0, unix.SOL_IP, unix.IP_TTL, func() []byte { return abi.IntBytes(int32(c.TTL)) })
	add(w.tos && c.TOS >= 0, unix.SOL_IP, unix.IP_TOS, func() []byte { return []byte{byte(c.TOS)} })
	add(v6 && w.pktInfo6 && c.PktInfo != nil, unix.SOL_IPV6, unix.IPV6_PKTINFO, func() []byte {
		return abi.In6Pktinfo{NIC: c.PktInfo.NIC, Addr: c.PktInfo.Dst}.Bytes()
	})
	add(v6 && w.hopLimit && c.HopLimit >= 0, unix.SOL_IPV6, unix.IPV6_HOPLIMIT, func() []byte { return abi.IntBytes(int32(c.HopLimit)) })
	add(v6 && w.trafficClass && c.TClass >= 0, unix.SOL_IPV6, unix.IPV6_TCLASS, func() []byte { return abi.IntBytes(int32(c.TClass)) })
	add(v6 && w.pktInfo2292 && c.PktInfo != nil, unix.SOL_IPV6, unix.IPV6_2292PKTINFO, func() []byte {
		return abi.In6Pktinfo{NIC: c.PktInfo.NIC, Addr: c.PktInfo.Dst}.Bytes()
	})
	add(v6 && w.hopLimit2292 && c.HopLimit >= 0, unix.SOL_IPV6, unix.IPV6_2292HOPLIMIT, func() []byte { return abi.IntBytes(int32(c.HopLimit)) })
	add(w.auxData && a.aux != nil, unix.SOL_PACKET, unix.PACKET_AUXDATA, func() []byte { return a.aux.Bytes() })
	return out
}
