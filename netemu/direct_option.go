package netemu

import (
	"bytes"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// directOptions are the options that direct sockets have from the kernel: none of
// them, with whatever value, has a socket reach, hear or be told more than it may.
// All others that the sandbox's sockets have make it one of those, and what those
// have not either is ENOPROTOOPT.
var directOptions = []struct {
	level int32
	names []int32
}{
	{unix.SOL_SOCKET, []int32{
		unix.SO_REUSEADDR, unix.SO_REUSEPORT, unix.SO_KEEPALIVE, unix.SO_SNDBUF, unix.SO_RCVBUF, unix.SO_LINGER,
		unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_RCVTIMEO_NEW, unix.SO_SNDTIMEO_NEW, unix.SO_RCVLOWAT, unix.SO_OOBINLINE,
		unix.SO_PRIORITY, unix.SO_TIMESTAMP, unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMPING, unix.SO_TIMESTAMP_NEW,
		unix.SO_TIMESTAMPNS_NEW, unix.SO_TIMESTAMPING_NEW, unix.SO_SELECT_ERR_QUEUE, unix.SO_RXQ_OVFL,
		unix.SO_MAX_PACING_RATE, unix.SO_PEEK_OFF, unix.SO_ZEROCOPY,
	}},
	{unix.SOL_TCP, []int32{
		unix.TCP_NODELAY, unix.TCP_CORK, unix.TCP_QUICKACK, unix.TCP_MAXSEG, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL,
		unix.TCP_KEEPCNT, unix.TCP_USER_TIMEOUT, unix.TCP_SYNCNT, unix.TCP_WINDOW_CLAMP, unix.TCP_CONGESTION,
		unix.TCP_LINGER2, unix.TCP_NOTSENT_LOWAT, unix.TCP_THIN_LINEAR_TIMEOUTS, unix.TCP_THIN_DUPACK, unix.TCP_INQ,
	}},
	{unix.SOL_UDP, []int32{unix.UDP_CORK, unix.UDP_SEGMENT, unix.UDP_GRO}},
	{unix.SOL_IP, []int32{unix.IP_TTL, unix.IP_TOS, unix.IP_MTU_DISCOVER, unix.IP_RECVTTL, unix.IP_RECVTOS, unix.IP_RECVERR}},
	{unix.SOL_IPV6, []int32{
		unix.IPV6_V6ONLY, unix.IPV6_UNICAST_HOPS, unix.IPV6_TCLASS, unix.IPV6_MTU_DISCOVER, unix.IPV6_DONTFRAG,
		unix.IPV6_RECVHOPLIMIT, unix.IPV6_RECVTCLASS, unix.IPV6_RECVERR, unix.IPV6_AUTOFLOWLABEL,
	}},
}

// isDirect is directOptions by level and name.
func isDirect(k optionKey) bool {
	for _, l := range directOptions {
		if l.level == k.level {
			return slices.Contains(l.names, k.name)
		}
	}
	return false
}

// eachDirect calls f for the value of each of directOptions that file has.
func eachDirect(file int, f func(k optionKey, value []byte)) {
	var b [longestOption]byte
	for _, l := range directOptions {
		for _, name := range l.names {
			k := optionKey{l.level, name}
			if value, errno := getOption(file, k, b[:]); errno == 0 {
				f(k, value)
			}
		}
	}
}

// setsockopt is setsockopt(2).
func (d *direct) setsockopt(t trap.Task, c trap.Call) trap.Verdict {
	k := optionKey{c.Int32(1), c.Int32(2)}
	a := argument{t: t, addr: c.Pointer(3), length: int(c.Int32(4))}
	l := d.levelOf(k.level)
	switch {
	case isDirect(k):
		return trap.Run()
	case a.length < 0:
		return trap.Fail(unix.EINVAL)
	case l == nil:
		d.e.ledger.count(t, "socket option", k)
		return trap.Fail(unix.ENOPROTOOPT)
	}
	if _, known := l.rows[k.name]; !known {
		d.e.ledger.count(t, "socket option", k)
		_, errno := l.copyIn(nil, option{}, false, a)
		return trap.Fail(errno)
	}
	return d.lend(func(t trap.Task, file int) trap.Verdict {
		if d.isTCP() && !closed(file) {
			d.e.ledger.count(t, "socket option", k)
			return trap.Fail(unix.ENOPROTOOPT)
		}
		return d.replace(t, file, c, d.e.setsockopt)
	})
}

// knows says whether the sandbox's sockets have the option, or direct ones.
func (d *direct) knows(k optionKey) bool {
	l := d.levelOf(k.level)
	if l == nil {
		return isDirect(k)
	}
	_, known := l.rows[k.name]
	return known || isDirect(k)
}

// levelOf is the level of that number as the sandbox's sockets have it, nil: none.
func (d *direct) levelOf(number int32) *level {
	for _, l := range levels[number] {
		if l.has(&d.idn) {
			return l
		}
	}
	return nil
}

// getsockopt is getsockopt(2): the kernel tells what the sandbox's sockets would tell,
// too, but for the peer's address and the filter. The rest may be about the host: its
// packet filters (IPT_SO_GET_INFO), say, to root.
func (d *direct) getsockopt(t trap.Task, c trap.Call) trap.Verdict {
	k := optionKey{c.Int32(1), c.Int32(2)}
	switch {
	case !d.knows(k):
		d.e.ledger.count(t, "socket option", k)
		return trap.Fail(unix.ENOPROTOOPT)
	case k.level != unix.SOL_SOCKET || k.name != unix.SO_PEERNAME && k.name != unix.SO_GET_FILTER:
		return trap.Run()
	}
	length, errno := readInt32(t, c.Pointer(4))
	switch {
	case errno != 0:
		return trap.Fail(errno)
	case length < 0:
		return trap.Fail(unix.EINVAL)
	case k.name == unix.SO_GET_FILTER:
		return trap.Fail(writeOption(t, c, nil, int(length)))
	}
	return d.lend(func(t trap.Task, file int) trap.Verdict {
		sa, errno := peerOf(file)
		if errno != 0 {
			return trap.Fail(errno)
		}
		return trap.Fail(writeOption(t, c, d.seen(sa, d.e.outside.Seen).Bytes(), int(length)))
	})
}

// defaults are the values of directOptions of new sockets, by kind: looked at when
// the first of its kind is exchanged.
type defaults struct {
	mu     sync.Mutex
	byKind map[identity]map[optionKey]string
}

// longestOption is TCP_CA_NAME_MAX, what TCP_CONGESTION may have, and so has struct
// timeval, in bytes: no direct option has more.
const longestOption = 16

// changed are the options of file that differ from those of a new socket.
func (d *defaults) changed(id identity, file int) []setting {
	var list []setting
	initial := d.of(id)
	eachDirect(file, func(k optionKey, value []byte) {
		if string(value) != initial[k] {
			list = append(list, setting{k, bytes.Clone(value)})
		}
	})
	return list
}

func (d *defaults) of(id identity) map[optionKey]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if values := d.byKind[id]; values != nil {
		return values
	}
	file, err := unix.Socket(id.family, id.typ|unix.SOCK_CLOEXEC, id.protocol)
	if err != nil {
		return nil
	}
	defer unix.Close(file)
	values := map[optionKey]string{}
	eachDirect(file, func(k optionKey, value []byte) { values[k] = string(value) })
	if d.byKind == nil {
		d.byKind = map[identity]map[optionKey]string{}
	}
	d.byKind[id] = values
	return values
}

// restore sets an option of a direct socket on the one that takes its place, whose
// T is file. What that does not have is lost.
func restore(s socket, file int, set setting) {
	l := levelOf(s, set.key.level)
	if l == nil {
		return
	}
	row, ok := l.row(s, set.key.name)
	if !ok {
		return
	}
	if k := set.key; k.level == unix.SOL_SOCKET && (k.name == unix.SO_SNDBUF || k.name == unix.SO_RCVBUF) {
		told, _ := abi.ParseInt(set.value)
		set.value = abi.IntBytes(told / 2) // the kernel tells twice what was asked for (socket(7))
	}
	if row.native && unix.SetsockoptString(file, int(set.key.level), int(set.key.name), string(set.value)) != nil {
		return
	}
	_ = apply(s, set.key, row, set.value)
}
