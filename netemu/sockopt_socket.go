package netemu

import (
	"math"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// socketOptions are the rows of level SOL_SOCKET, see socket(7). Most are
// native: the code that checks and keeps them is the same for all families, and
// those that native calls obey (the timeouts, SO_RCVLOWAT) really work.
var socketOptions = map[int32]option{
	unix.SO_REUSEADDR: flag("SO_REUSEADDR", stack.ReuseAddr),
	unix.SO_REUSEPORT: {name: "SO_REUSEPORT", setInt: setReusePort, getInt: flag("SO_REUSEPORT", stack.ReusePort).getInt},
	unix.SO_BROADCAST: flag("SO_BROADCAST", stack.Broadcast),
	unix.SO_KEEPALIVE: flag("SO_KEEPALIVE", stack.KeepAlive),

	unix.SO_TYPE:       fixed("SO_TYPE", func(s socket) int { return s.id().typ }),
	unix.SO_DOMAIN:     fixed("SO_DOMAIN", func(s socket) int { return s.id().family }),
	unix.SO_PROTOCOL:   fixed("SO_PROTOCOL", func(s socket) int { return s.id().protocol }),
	unix.SO_ACCEPTCONN: fixed("SO_ACCEPTCONN", acceptsConnections),
	unix.SO_ERROR:      {name: "SO_ERROR"}, // getsockopt has it

	unix.SO_SNDBUF:      bufferSize("SO_SNDBUF", stack.SendBuffer, minSendBuffer),
	unix.SO_RCVBUF:      bufferSize("SO_RCVBUF", stack.ReceiveBuffer, minReceiveBuffer),
	unix.SO_SNDBUFFORCE: denied("SO_SNDBUFFORCE"),
	unix.SO_RCVBUFFORCE: denied("SO_RCVBUFFORCE"),

	unix.SO_LINGER:       {name: "SO_LINGER", native: true, set: setLinger, size: abi.SizeofLinger, partial: "close(2) never waits; a zero time resets"},
	unix.SO_RCVTIMEO:     {name: "SO_RCVTIMEO", native: true, set: setReceiveTimeout, size: abi.SizeofTimeval},
	unix.SO_SNDTIMEO:     {name: "SO_SNDTIMEO", native: true, set: setSendTimeout, size: abi.SizeofTimeval},
	unix.SO_RCVTIMEO_NEW: {name: "SO_RCVTIMEO_NEW", native: true, set: setReceiveTimeout, size: abi.SizeofTimeval},
	unix.SO_SNDTIMEO_NEW: {name: "SO_SNDTIMEO_NEW", native: true, set: setSendTimeout, size: abi.SizeofTimeval},
	unix.SO_RCVLOWAT:     {name: "SO_RCVLOWAT", native: true, size: abi.SizeofInt, setInt: setLowWater, getInt: recall("SO_RCVLOWAT", 1), partial: "poll(2) tells any byte"},
	unix.SO_SNDLOWAT:     native("SO_SNDLOWAT", ""),

	unix.SO_TIMESTAMP:    timestamps("SO_TIMESTAMP", 0),
	unix.SO_TIMESTAMPNS:  timestamps("SO_TIMESTAMPNS", 1),
	unix.SO_TIMESTAMPING: timestamping,

	unix.SO_BINDTODEVICE:  {name: "SO_BINDTODEVICE", set: setDevice, get: getDevice, size: unix.IFNAMSIZ - 1, unchecked: true},
	unix.SO_BINDTOIFINDEX: number("SO_BINDTOIFINDEX", stack.BindToDevice, 0, 1<<31-1), // ENODEV where Linux waits for it

	unix.SO_PASSCRED:   onlyEver(onNetlink, want("SO_PASSCRED", func(w *wanted) *bool { return &w.credentials })),
	unix.SO_PASSSEC:    refused("SO_PASSSEC", "no security labels over a network", unix.EOPNOTSUPP),
	unix.SO_PASSPIDFD:  refused("SO_PASSPIDFD", "no credentials over a network", unix.EOPNOTSUPP),
	unix.SO_PEERCRED:   {name: "SO_PEERCRED", get: noPeer},
	unix.SO_PEERGROUPS: {name: "SO_PEERGROUPS", get: noPeerData},
	unix.SO_PEERPIDFD:  {name: "SO_PEERPIDFD", get: noPeerData},

	unix.SO_DEBUG:            native("SO_DEBUG", "nothing is traced"),
	unix.SO_DONTROUTE:        native("SO_DONTROUTE", "all destinations are routed alike"),
	unix.SO_OOBINLINE:        native("SO_OOBINLINE", "there is no urgent data"),
	unix.SO_PRIORITY:         native("SO_PRIORITY", "no queueing discipline looks at it"),
	unix.SO_MARK:             native("SO_MARK", "no rule looks at it"),
	unix.SO_NO_CHECK:         native("SO_NO_CHECK", "checksums are always sent"),
	unix.SO_SELECT_ERR_QUEUE: native("SO_SELECT_ERR_QUEUE", ""),
	unix.SO_BUSY_POLL:        native("SO_BUSY_POLL", "there is no device to poll"),
	unix.SO_PREFER_BUSY_POLL: native("SO_PREFER_BUSY_POLL", "there is no device to poll"),
	unix.SO_RXQ_OVFL:         want("SO_RXQ_OVFL", func(w *wanted) *bool { return &w.overflow }),
	unix.SO_INCOMING_CPU:     native("SO_INCOMING_CPU", "there are no receive queues"),
	unix.SO_INCOMING_NAPI_ID: native("SO_INCOMING_NAPI_ID", ""),
	unix.SO_MAX_PACING_RATE:  {name: "SO_MAX_PACING_RATE", native: true, size: 8, partial: "nothing is paced"},
	unix.SO_CNX_ADVICE:       native("SO_CNX_ADVICE", "there is one route"),
	unix.SO_BUF_LOCK:         native("SO_BUF_LOCK", "netstack resizes buffers that no size was set for"),
	unix.SO_PEEK_OFF:         onlyEver(offsets, native("SO_PEEK_OFF", "")),
	unix.SO_BSDCOMPAT:        native("SO_BSDCOMPAT", ""),
	unix.SO_WIFI_STATUS:      native("SO_WIFI_STATUS", "there is no such device"),
	unix.SO_NOFCS:            native("SO_NOFCS", "there is no such device"),
	unix.SO_BPF_EXTENSIONS:   native("SO_BPF_EXTENSIONS", ""),
	unix.SO_COOKIE:           native("SO_COOKIE", ""),
	unix.SO_MEMINFO:          {name: "SO_MEMINFO", get: memoryInfo, partial: "what waits to be sent is 0, and everything of streams but the sizes"},

	// On streams and netlink sockets as from a kernel that socket filters were
	// left out of.
	unix.SO_ATTACH_FILTER: {name: "SO_ATTACH_FILTER", deny: notFiltered, take: attachFilter, answer: answerFilter, partial: "not on streams and netlink sockets"},
	unix.SO_DETACH_FILTER: {name: "SO_DETACH_FILTER", setInt: detachFilter},
	unix.SO_LOCK_FILTER:   {name: filterLock, setInt: lockFilter, getInt: recall(filterLock, 0)},
	// Nothing would tell that a zero-copy buffer is free again.
	unix.SO_ZEROCOPY: off("SO_ZEROCOPY", "cannot be switched on, as in families that have it not", unix.EOPNOTSUPP),
}

// setReusePort is SO_REUSEPORT, which only sockets with ports can switch on.
func setReusePort(s socket, v int32) unix.Errno {
	if s.endpoint() == nil && v != 0 {
		return unix.EOPNOTSUPP
	}
	return flag("SO_REUSEPORT", stack.ReusePort).setInt(s, v)
}

// denied is an option that only CAP_NET_ADMIN may set, which nobody has over
// the sandbox's network.
func denied(name string) option {
	return option{name: name, partial: "refused, root too", setInt: func(socket, int32) unix.Errno { return unix.EPERM }}
}

// memoryInfo is SO_MEMINFO (sk_get_meminfo): numbers by SK_MEMINFO_*.
func memoryInfo(s socket, _ int) ([]byte, unix.Errno) {
	var info [unix.SK_MEMINFO_VARS]int32
	info[unix.SK_MEMINFO_RCVBUF], _ = bufferOf(s, "SO_RCVBUF", stack.ReceiveBuffer)
	info[unix.SK_MEMINFO_SNDBUF], _ = bufferOf(s, "SO_SNDBUF", stack.SendBuffer)
	if d, ok := s.(*datagram); ok {
		info[unix.SK_MEMINFO_RMEM_ALLOC] = int32(d.receiveMemory())
		info[unix.SK_MEMINFO_DROPS] = int32(d.in.drops.Load())
	}
	var b []byte
	for _, n := range info {
		b = append(b, abi.IntBytes(n)...)
	}
	return b, 0
}

func acceptsConnections(s socket) int {
	if st, ok := s.(*stream); ok {
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.state == listening {
			return 1
		}
	}
	return 0
}

// onNetlink denies an option to sockets that a process cannot be at the other
// end of (sk_may_scm_recv).
func onNetlink(s socket) unix.Errno {
	if s.id().family != unix.AF_NETLINK {
		return unix.EOPNOTSUPP
	}
	return 0
}

// offsets denies SO_PEEK_OFF to sockets without one (set_peek_off of proto_ops).
func offsets(s socket) unix.Errno {
	if s.endpoint() == nil || s.id().typ == unix.SOCK_RAW {
		return unix.EOPNOTSUPP
	}
	return 0
}

// noPeer is SO_PEERCRED of a socket that no process is known behind: pid 0 and
// the overflow ids of nobody at all (cred_to_ucred).
func noPeer(s socket, _ int) ([]byte, unix.Errno) {
	const none = 1<<32 - 1
	return abi.Ucred{UID: none, GID: none}.Bytes(), 0
}

func noPeerData(socket, int) ([]byte, unix.Errno) { return nil, unix.ENODATA }

// maxReceiveLowWater is half of the largest receive buffer of a stream (6 MiB,
// package stack), which tcp_set_rcvlowat cuts SO_RCVLOWAT to.
const maxReceiveLowWater = 3 << 20

// setLowWater notes SO_RCVLOWAT as the kernel does: 0 is 1, what is below the
// most that there is.
func setLowWater(s socket, v int32) unix.Errno {
	switch {
	case v == 0:
		v = 1
	case v < 0:
		v = math.MaxInt32
	}
	if _, ok := s.(*stream); ok {
		v = min(v, maxReceiveLowWater)
	}
	s.memo().put("SO_RCVLOWAT", int64(v))
	return 0
}
