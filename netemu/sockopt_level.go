package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// argument is the value of a setsockopt(2), in the task's memory.
type argument struct {
	t      trap.Task
	addr   uint64
	length int
}

// bytes copies the value in, at most size bytes of it (0: maxOption).
func (a argument) bytes(size int) ([]byte, unix.Errno) {
	if size == 0 {
		size = maxOption
	}
	b := make([]byte, min(a.length, size))
	if len(b) == 0 {
		return b, 0
	}
	return b, a.t.ReadMemory(a.addr, b)
}

// level is one level of socket options: who has it, and what its setsockopt and
// getsockopt functions do before and after they look at the option. Each names
// the kernel's.
type level struct {
	// has says which sockets have the level.
	has  func(*identity) bool
	rows map[int32]option
	// find is for a level without rows.
	find func(s socket, name int32) (option, bool)
	// copyInt copies a C int in; the value of an option of bytes too, where
	// early says that it is done before the option is known.
	copyInt func(argument) (int32, unix.Errno)
	early   bool
	// least is the shortest C int that can be set, in bytes; shorter: EINVAL.
	least int
	// oneByte levels tell a value of 0 to 255 as one byte to who asked for one
	// to three.
	oneByte bool
	// unsigned levels take a negative length for a huge one.
	unsigned bool
}

// levels are the levels by number; the families of raw sockets differ.
var levels = map[int32][]*level{
	// sk_setsockopt, sk_getsockopt (net/core/sock.c)
	unix.SOL_SOCKET: {{has: anySocket, rows: socketOptions, copyInt: wholeInt, early: true}},
	// do_tcp_setsockopt, do_tcp_getsockopt (net/ipv4/tcp.c)
	unix.SOL_TCP: {{has: isTCP, rows: tcpOptions, copyInt: wholeInt, early: true}},
	// udp_lib_setsockopt, udp_lib_getsockopt (net/ipv4/udp.c)
	unix.SOL_UDP: {{has: isUDP, rows: udpOptions, copyInt: wholeInt, early: true}},
	// do_ip_setsockopt, do_ip_getsockopt (net/ipv4/ip_sockglue.c)
	unix.SOL_IP: {{has: hasIPv4Options, rows: ipOptions, copyInt: intOrByte, oneByte: true}},
	// do_ipv6_setsockopt, do_ipv6_getsockopt (net/ipv6/ipv6_sockglue.c)
	unix.SOL_IPV6: {{has: isIPv6, rows: ipv6Options, copyInt: intOrNull, early: true, least: abi.SizeofInt, unsigned: true}},
	// raw_setsockopt (net/ipv4/raw.c), rawv6_setsockopt (net/ipv6/raw.c)
	unix.SOL_RAW: {
		{has: isRaw4, rows: rawOptions, copyInt: wholeInt},
		{has: isRaw6, rows: raw6Options, copyInt: wholeInt, early: true},
	},
	unix.SOL_ICMPV6: {{has: isRaw6, rows: icmpv6Options, copyInt: wholeInt}},
	// packet_setsockopt (net/packet/af_packet.c)
	unix.SOL_PACKET: {{has: isPacket, rows: packetOptions, copyInt: wholeInt}},
	// netlink_setsockopt (net/netlink/af_netlink.c)
	unix.SOL_NETLINK: {{has: isNetlink, find: netlinkOption, copyInt: wholeInt}},
}

// levelOf is the level that s has by that number, nil if there is none.
func levelOf(s socket, number int32) *level {
	for _, l := range levels[number] {
		if l.has(s.id()) {
			return l
		}
	}
	return nil
}

func anySocket(*identity) bool    { return true }
func isNetlink(id *identity) bool { return id.family == unix.AF_NETLINK }
func isTCP(id *identity) bool     { return !isNetlink(id) && id.typ == unix.SOCK_STREAM }
func isRaw4(id *identity) bool    { return id.family == unix.AF_INET && id.typ == unix.SOCK_RAW }
func isRaw6(id *identity) bool    { return id.family == unix.AF_INET6 && id.typ == unix.SOCK_RAW }
func isIPv6(id *identity) bool    { return id.family == unix.AF_INET6 }

func isUDP(id *identity) bool {
	return (id.family == unix.AF_INET || isIPv6(id)) && id.typ == unix.SOCK_DGRAM && id.protocol == unix.IPPROTO_UDP
}

// hasIPv4Options is what ipv6_setsockopt hands on to ip_setsockopt.
func hasIPv4Options(id *identity) bool {
	return id.family == unix.AF_INET || isIPv6(id) && id.typ != unix.SOCK_RAW
}

func netlinkOption(s socket, name int32) (option, bool) {
	d, ok := s.(*datagram)
	if !ok {
		return option{}, false
	}
	n, ok := d.tr.(*netlinkTransport)
	if !ok {
		return option{}, false
	}
	return n.option(int(name)), true
}

// row is the row of an option, the zero one if there is none.
func (l *level) row(s socket, name int32) (option, bool) {
	if l.find != nil {
		return l.find(s, name)
	}
	row, ok := l.rows[name]
	return row, ok
}

// copyIn copies a value for a row in, with the checks in the kernel's order;
// known says that there is a row.
func (l *level) copyIn(s socket, row option, known bool, a argument) ([]byte, unix.Errno) {
	isInt := row.setInt != nil
	var v int32
	if l.early && !row.unchecked || isInt {
		var errno unix.Errno
		if v, errno = l.copyInt(a); errno != 0 {
			return nil, errno
		}
	}
	if row.deny != nil && (!row.denyLate || a.length >= row.least) {
		if errno := row.deny(s); errno != 0 {
			return nil, errno
		}
	}
	switch {
	case !known || !isInt && row.set == nil && row.take == nil:
		return nil, unix.ENOPROTOOPT
	case a.length < row.least || row.most > 0 && a.length > row.most || isInt && !row.short && a.length < l.least:
		return nil, unix.EINVAL
	case row.huge && a.length > maxControl:
		return nil, unix.ENOBUFS
	case isInt:
		return abi.IntBytes(v), 0
	}
	return a.bytes(row.size)
}

// value is an option's value as the level tells it.
func (l *level) value(s socket, row option, length int) ([]byte, unix.Errno) {
	if row.denyGet != nil {
		if errno := row.denyGet(s); errno != 0 {
			return nil, errno
		}
	}
	if row.get != nil {
		return row.get(s, length)
	}
	if row.getInt == nil {
		return nil, unix.ENOPROTOOPT
	}
	v, errno := row.getInt(s)
	if errno != 0 {
		return nil, errno
	}
	if l.oneByte && length > 0 && length < abi.SizeofInt && v >= 0 && v <= 255 {
		return []byte{byte(v)}, 0
	}
	return abi.IntBytes(v), 0
}

// wholeInt is a C int that must be there. EINVAL: it is shorter.
func wholeInt(a argument) (int32, unix.Errno) {
	if a.length < abi.SizeofInt {
		return 0, unix.EINVAL
	}
	b, errno := a.bytes(abi.SizeofInt)
	if errno != 0 {
		return 0, errno
	}
	return abi.ParseInt(b)
}

// intOrByte is a C int, or one byte of a shorter value, or 0 of none.
func intOrByte(a argument) (int32, unix.Errno) {
	size := abi.SizeofInt
	switch {
	case a.length == 0:
		return 0, 0
	case a.length < size:
		size = 1
	}
	b, errno := a.bytes(size)
	if errno != 0 {
		return 0, errno
	}
	return abi.ParseIntOrByte(b)
}

// intOrNull is a C int, or 0 if it is shorter or at a null pointer.
func intOrNull(a argument) (int32, unix.Errno) {
	if a.addr == 0 || a.length < abi.SizeofInt {
		return 0, 0
	}
	return wholeInt(a)
}
