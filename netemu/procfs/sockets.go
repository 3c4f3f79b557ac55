package procfs

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netlink"
)

// table writes the sockets of one protocol and family.
type table interface {
	head() string
	ids() (protocol, family uint8)
	// row is one line; false if the socket is in no such table.
	row(number int, s netlink.Socket) (string, bool)
}

func sockets(t table) func(Source) []byte {
	return func(s Source) []byte {
		var f file
		f.line("%s", t.head())
		protocol, family := t.ids()
		if protocol == 0 {
			return f.Bytes()
		}
		number := 0
		for _, sock := range s.Sockets(protocol, family) {
			if line, ok := t.row(number, sock); ok {
				f.line("%s", line)
				number++
			}
		}
		return f.Bytes()
	}
}

// tcpTable is /proc/net/tcp (tcp4_seq_show, net/ipv4/tcp_ipv4.c) or tcp6
// (tcp6_seq_show, net/ipv6/tcp_ipv6.c).
type tcpTable struct {
	family uint8
	title  string
	width  int // lines are padded to it
}

var (
	tcpTable4 = tcpTable{unix.AF_INET, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", 149}
	tcpTable6 = tcpTable{unix.AF_INET6, head6 + " st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", 0}
)

const head6 = "  sl  local_address                         remote_address                       "

func (t tcpTable) head() string                  { return padded(t.title, t.width) }
func (t tcpTable) ids() (protocol, family uint8) { return unix.IPPROTO_TCP, t.family }

// States of <net/tcp_states.h>.
const (
	stateTimeWait = 6
	stateClose    = 7
	stateListen   = 10
)

// timeWaitTimer is what tcp tells as the kind of timer of a connection in
// TIME-WAIT.
const timeWaitTimer = 3

func (t tcpTable) row(number int, s netlink.Socket) (string, bool) {
	if s.State == netlink.StateBoundInactive {
		return "", false // not hashed
	}
	tx, rx, timer := s.SendQueue, s.ReceiveQueue, 0
	switch s.State {
	case stateListen:
		tx = 0 // the backlog
	case stateTimeWait:
		tx, rx, timer = 0, 0, timeWaitTimer
	}
	line := fmt.Sprintf("%4d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x",
		number, endpoint(t.family, s.Local), endpoint(t.family, s.Remote), s.State, tx, rx, timer, 0, 0, s.UID, 0, s.Inode, 1, 0)
	if s.State != stateTimeWait {
		line += congestion(s)
	}
	return padded(line, t.width), true
}

// congestion are the last five numbers of a connection: retransmission and ack
// timeouts in ticks, delayed acks, window, and slow start threshold.
func congestion(s netlink.Socket) string {
	rto, ato, window, threshold := initialRTO, uint32(0), uint32(initialWindow), int64(-1)
	info, ok := abi.ParseTCPInfo(s.TCPInfo)
	if ok && s.State != stateListen {
		rto, ato, window = info.RTO, info.ATO, info.SndCwnd
		if info.SndSsthresh < infiniteThreshold {
			threshold = int64(info.SndSsthresh)
		}
	}
	if s.State == stateListen {
		threshold = 0 // the queue of TCP Fast Open
	}
	return fmt.Sprintf(" %d %d %d %d %d", rto/tick, ato/tick, 0, window, threshold)
}

const (
	// tick is a clock_t in microseconds: USER_HZ is 100.
	tick = 10000
	// initialRTO is TCP_TIMEOUT_INIT in microseconds, initialWindow
	// TCP_INIT_CWND in segments, infiniteThreshold TCP_INFINITE_SSTHRESH
	// (<net/tcp.h>).
	initialRTO        = uint32(1000000)
	initialWindow     = 10
	infiniteThreshold = math.MaxInt32
)

// datagramTable is the file of sockets that udp4_format_sock, raw_sock_seq_show,
// ping_v4_format_sock or __ip6_dgram_sock_seq_show writes.
type datagramTable struct {
	table, family uint8
	width         int  // of the first column
	padded        bool // lines have 127 characters
	wide          bool // the padding counts from the second column on
}

func (t datagramTable) head() string {
	const tail = " st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops"
	switch {
	case t.family == unix.AF_INET6:
		return head6 + tail
	case t.wide:
		return padded("  sl  local_address rem_address  "+tail, 127)
	case t.padded:
		return padded("   sl  local_address rem_address  "+tail, 127)
	}
	return "  sl  local_address rem_address  " + tail
}

func (t datagramTable) ids() (protocol, family uint8) { return t.table, t.family }

func (t datagramTable) row(_ int, s netlink.Socket) (string, bool) {
	local := s.Local
	if s.Raw {
		local = netip.AddrPortFrom(local.Addr(), uint16(s.Protocol))
	}
	line := fmt.Sprintf("%*d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d %d %016x %d",
		t.width, local.Port(), endpoint(t.family, local), endpoint(t.family, s.Remote), s.State,
		s.SendQueue, s.ReceiveQueue, 0, 0, 0, s.UID, 0, s.Inode, 2, 0, s.Drops)
	if t.padded {
		line = padded(line, 127)
	}
	return line, true
}

// endpoint is an address, each 32-bit word of it as a number, and a port.
func endpoint(family uint8, a netip.AddrPort) string {
	var raw [16]byte
	n := 4
	if family == unix.AF_INET6 {
		n = 16
		if a.Addr().IsValid() {
			raw = a.Addr().As16()
		}
	} else if a.Addr().IsValid() {
		four := a.Addr().Unmap().As4()
		copy(raw[:], four[:])
	}
	text := ""
	for i := 0; i < n; i += 4 {
		text += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(raw[i:]))
	}
	return fmt.Sprintf("%s:%04X", text, a.Port())
}

// netlinkFile is /proc/net/netlink (netlink_native_seq_show,
// net/netlink/af_netlink.c). The kernel's own sockets come with each protocol.
func netlinkFile(s Source) []byte {
	var f file
	f.line("sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode")
	all := s.NetlinkSockets()
	for _, protocol := range []int{unix.NETLINK_ROUTE, unix.NETLINK_SOCK_DIAG} {
		for _, n := range append(all, NetlinkSocket{Protocol: protocol}) {
			if n.Protocol == protocol {
				f.line("%016x %-3d %-10d %08x %-8d %-8d %-5d %-8d %-8d %-8d", 0, n.Protocol, n.PortID, n.Groups, 0, 0, 0, 2, 0, n.Inode)
			}
		}
	}
	return f.Bytes()
}

// sockstat4 is /proc/net/sockstat, sockstat6 its like for IPv6 (net/ipv4/proc.c,
// net/ipv6/proc.c). Memory is netstack's, which counts none.
func sockstat4(s Source) []byte {
	tcp := s.Sockets(unix.IPPROTO_TCP, unix.AF_INET)
	all := append(tcp, s.Sockets(unix.IPPROTO_TCP, unix.AF_INET6)...)
	orphan, timeWait, alloc := 0, 0, 0
	for _, sock := range all {
		switch {
		case sock.State == stateTimeWait:
			timeWait++
			continue
		case sock.Inode == 0 && sock.Shutdown == bothWays:
			orphan++
		}
		alloc++
	}
	udp, raw := len(s.Sockets(unix.IPPROTO_UDP, unix.AF_INET)), len(s.Sockets(unix.IPPROTO_RAW, unix.AF_INET))
	used := alloc + udp + raw + len(s.NetlinkSockets()) +
		len(s.Sockets(unix.IPPROTO_UDP, unix.AF_INET6)) + len(s.Sockets(unix.IPPROTO_RAW, unix.AF_INET6))
	var f file
	f.line("sockets: used %d", used)
	f.line("TCP: inuse %d orphan %d tw %d alloc %d mem 0", inUse(tcp), orphan, timeWait, alloc)
	f.line("UDP: inuse %d mem 0", udp)
	f.line("UDPLITE: inuse 0")
	f.line("RAW: inuse %d", raw)
	f.line("FRAG: inuse 0 memory 0")
	return f.Bytes()
}

const bothWays = 3 // netlink.Socket.Shutdown

// inUse counts hashed sockets.
func inUse(tcp []netlink.Socket) int {
	n := 0
	for _, s := range tcp {
		if s.State != netlink.StateBoundInactive && s.State != stateTimeWait {
			n++
		}
	}
	return n
}

func sockstat6(s Source) []byte {
	var f file
	f.line("TCP6: inuse %d", inUse(s.Sockets(unix.IPPROTO_TCP, unix.AF_INET6)))
	f.line("UDP6: inuse %d", len(s.Sockets(unix.IPPROTO_UDP, unix.AF_INET6)))
	f.line("UDPLITE6: inuse 0")
	f.line("RAW6: inuse %d", len(s.Sockets(unix.IPPROTO_RAW, unix.AF_INET6)))
	f.line("FRAG6: inuse 0 memory 0")
	return f.Bytes()
}

// protocols is /proc/net/protocols: which of the calls of struct proto each
// protocol has, and its sockets. Sizes are those of Linux 6.18.
func protocols(s Source) []byte {
	var f file
	f.line("protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re bi br ha uh gp em")
	count := func(table, family uint8) int { return len(s.Sockets(table, family)) }
	const tcp, udp, raw, ping = "y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y", "y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n",
		"y  y  y  n  y  y  y  n  y  y  y  y  y  y  y  y  n  n", "y  y  y  n  n  y  n  n  y  y  y  y  y  y  n  y  y  n"
	for _, row := range []struct {
		name                string
		size, count, memory int
		press               string
		header              int
		slab, calls         string
	}{
		{"PINGv6", 1344, count(unix.IPPROTO_ICMPV6, unix.AF_INET6), -1, "NI", 0, "yes", ping},
		{"RAWv6", 1344, count(unix.IPPROTO_RAW, unix.AF_INET6), -1, "NI", 0, "yes", raw},
		{"UDPv6", 1472, count(unix.IPPROTO_UDP, unix.AF_INET6), 0, "NI", 0, "yes", udp},
		{"TCPv6", 2432, count(unix.IPPROTO_TCP, unix.AF_INET6), 0, "no", 192, "yes", tcp},
		{"PING", 1016, count(unix.IPPROTO_ICMP, unix.AF_INET), -1, "NI", 0, "yes", ping},
		{"RAW", 1152, count(unix.IPPROTO_RAW, unix.AF_INET), -1, "NI", 0, "yes", raw},
		{"UDP", 1344, count(unix.IPPROTO_UDP, unix.AF_INET), 0, "NI", 0, "yes", udp},
		{"TCP", 2304, count(unix.IPPROTO_TCP, unix.AF_INET), 0, "no", 192, "yes", tcp},
		{"NETLINK", 1096, len(s.NetlinkSockets()), -1, "NI", 0, "no", "n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n"},
	} {
		f.line("%-9s %4d %6d  %6d   %-3s %6d   %-4s%-12s %s", row.name, row.size, row.count, row.memory, row.press, row.header, row.slab, " kernel", row.calls)
	}
	return f.Bytes()
}

// softnet is /proc/net/softnet_stat, a line for each processor: netstack has no
// backlog queues.
func softnet(Source) []byte {
	var f file
	for cpu := range onlineCPUs() {
		f.line("%08x %08x %08x %08x %08x %08x %08x %08x %08x %08x %08x %08x %08x %08x %08x", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, cpu, 0, 0)
	}
	return f.Bytes()
}

func onlineCPUs() int {
	entries, _ := os.ReadDir("/sys/bus/cpu/devices")
	return max(len(entries), 1)
}
