package netlink

import (
	"net/netip"
	"strconv"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Sockets tells the host's sockets, for NETLINK_SOCK_DIAG. Its method may be
// called from several goroutines at once.
type Sockets interface {
	// Sockets lists the sockets of a table in the order in which they are to be
	// told: IPPROTO_TCP, IPPROTO_UDP, or IPPROTO_RAW for raw sockets of every
	// protocol; of one family or, with AF_UNSPEC, of both. What Linux has in no
	// table, a socket without a port, is left out.
	Sockets(table, family uint8) []Socket
}

// Socket is one socket as struct inet_diag_msg and its attributes have it
// (<linux/inet_diag.h>).
type Socket struct {
	Family        uint8          // AF_INET or AF_INET6
	Protocol      uint8          // IPPROTO_*; a raw socket's own
	Raw           bool           // SOCK_RAW
	State         uint8          // TCP_* of <net/tcp_states.h>, of UDP and raw sockets too; see StateBoundInactive
	Local, Remote netip.AddrPort // v4-mapped in AF_INET6; the invalid address is the wildcard
	Interface     uint32         // index, 0: not bound to one
	Cookie        uint64         // unique and never reused; 0 if no task has it any longer
	Inode         uint32         // 0: no task holds it
	UID           uint32

	// ReceiveQueue and SendQueue are in bytes; for a listener they are the
	// connections that wait and the backlog.
	ReceiveQueue, SendQueue   uint32
	Drops                     uint32 // received and not kept
	ReceiveBuffer, SendBuffer uint32 // SO_RCVBUF, SO_SNDBUF, in bytes
	TOS, TrafficClass         uint8
	Priority                  uint32 // SO_PRIORITY
	Shutdown                  uint8  // bit 0 reading, bit 1 writing
	V6Only                    bool
	Options                   uint16 // of struct inet_diag_sockopt, bit 0 first
	TCPInfo                   []byte // struct tcp_info; nil: not told
	Congestion                string // name of the algorithm; empty: not told
}

// StateBoundInactive (TCP_BOUND_INACTIVE) is the state of a TCP socket that is
// bound and nothing more: it is asked for by this state, and told as TCP_CLOSE.
const StateBoundInactive = 13

// Bits of struct inet_diag_sockopt.
const (
	OptionRecvErr       = 1 << 0
	OptionConnection    = 1 << 1 // is_icsk: TCP
	OptionHdrIncl       = 1 << 3
	OptionMulticastLoop = 1 << 4
	OptionMulticastAll  = 1 << 6
)

// Types of messages (<linux/sock_diag.h>, <linux/inet_diag.h>).
const (
	tcpdiagGetsock = 18
	sockDestroy    = 21
)

// dispatchDiag answers a request, as sock_diag_rcv_msg does
// (net/core/sock_diag.c).
func (x *exchange) dispatchDiag(m nl.Message) (dumped bool, failure *refusal) {
	switch typ := uint16(m.Header.Type); typ {
	case tcpdiagGetsock:
		return x.inetDiag(m, sizeofInetDiagReq)
	case unix.SOCK_DIAG_BY_FAMILY:
		return x.familyDiag(m)
	case sockDestroy:
		return false, refuse(unix.EPERM, "netbox: the sandbox lets nobody close others' sockets")
	default:
		x.reportUnknown("SOCK_DIAG type "+strconv.Itoa(int(typ)), typ)
		return false, refuse(unix.EINVAL, "")
	}
}

// familyDiag is SOCK_DIAG_BY_FAMILY. Of the families that Linux has tables for,
// AF_PACKET has no sockets here; those of AF_NETLINK are the server's own; those
// of AF_UNIX are the kernel's, among the ones of everybody else, and are not
// told. Families without a table are ENOENT, as from a kernel without them.
func (x *exchange) familyDiag(m nl.Message) (dumped bool, failure *refusal) {
	if len(m.Data) < 2 {
		return false, refuse(unix.EINVAL, "")
	}
	family := m.Data[0]
	switch {
	case family >= unix.AF_MAX:
		return false, refuse(unix.EINVAL, "")
	case family == unix.AF_INET, family == unix.AF_INET6:
		return x.inetDiag(m, sizeofInetDiagReqV2)
	case family == unix.AF_UNIX:
		return x.unixDiag(m)
	case family == unix.AF_PACKET, family == unix.AF_NETLINK:
		return x.emptyDiag(m)
	}
	return false, refuse(unix.ENOENT, "")
}

// Sizes of the requests for other families in bytes (<linux/unix_diag.h>,
// <linux/packet_diag.h>, <linux/netlink_diag.h>), and where udiag_ino is.
const (
	sizeofUnixDiagReq = 24
	unixDiagReqInode  = 8
	sizeofOtherReq    = 20
)

// unixDiag answers for AF_UNIX: with an empty table.
func (x *exchange) unixDiag(m nl.Message) (dumped bool, failure *refusal) {
	switch {
	case len(m.Data) < sizeofUnixDiagReq:
		return false, refuse(unix.EINVAL, "")
	case m.Header.Flags&unix.NLM_F_DUMP != 0:
		x.dump(m.Header, rows{}, nil)
		return true, nil
	case allZero(m.Data[unixDiagReqInode : unixDiagReqInode+4]):
		return false, refuse(unix.EINVAL, "")
	}
	return false, refuse(unix.ENOENT, "")
}

// emptyDiag answers for a family that can only be dumped: with an empty table.
func (x *exchange) emptyDiag(m nl.Message) (dumped bool, failure *refusal) {
	switch {
	case len(m.Data) < sizeofOtherReq, m.Data[0] == unix.AF_PACKET && m.Data[1] != 0:
		return false, refuse(unix.EINVAL, "")
	case m.Header.Flags&unix.NLM_F_DUMP == 0:
		return false, refuse(unix.EOPNOTSUPP, "")
	}
	x.dump(m.Header, rows{}, nil)
	return true, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
