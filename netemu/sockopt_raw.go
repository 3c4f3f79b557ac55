package netemu

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// rawOptions are the rows of level SOL_RAW, see raw(7).
var rawOptions = map[int32]option{
	icmpFilter: {name: "ICMP_FILTER", deny: filterOf(unix.IPPROTO_ICMP), set: setICMPFilter, get: getICMPFilter, size: abi.SizeofInt},
}

// raw6Options are the rows of level SOL_RAW of IPv6 sockets.
var raw6Options = map[int32]option{
	ipv6ChecksumRaw: checksumOffset,
}

// icmpv6Options are the rows of level SOL_ICMPV6.
var icmpv6Options = map[int32]option{
	unix.ICMPV6_FILTER: {name: "ICMPV6_FILTER", deny: filterOf(unix.IPPROTO_ICMPV6), set: setICMP6Filter, get: getICMP6Filter, size: sizeofICMP6Filter},
}

const (
	icmpFilter      = 1 // ICMP_FILTER (<linux/icmp.h>)
	ipv6ChecksumRaw = 7 // IPV6_CHECKSUM (<linux/in6.h>), also on level SOL_RAW

	icmpv6Checksum = 2 // where the checksum of ICMPv6 is (RFC 4443 section 2.1), in bytes

	sizeofICMP6Filter = 32 // struct icmp6_filter (<linux/icmpv6.h>), in bytes
)

// checksumOffset is IPV6_CHECKSUM: where the checksum is, -1 for none. Netstack
// sums ICMPv6 where its checksum is, and nowhere else; programs ask for that on
// level SOL_RAW, where Linux lets it be moved (do_rawv6_setsockopt).
var checksumOffset = option{
	name: "IPV6_CHECKSUM", partial: "that of ICMPv6 cannot be moved",
	setInt: func(s socket, v int32) unix.Errno {
		if v > 0 && v%2 != 0 {
			return unix.EINVAL
		}
		if s.id().protocol == unix.IPPROTO_ICMPV6 {
			if v != icmpv6Checksum {
				return unix.EINVAL
			}
			return 0
		}
		return setNumber(s, stack.IPv6Checksum, max(v, -1))
	},
	getInt:  func(s socket) (int32, unix.Errno) { return getNumber(s, stack.IPv6Checksum) },
	denyGet: onRaw6,
}

func onRaw6(s socket) unix.Errno {
	if !isRaw6(s.id()) {
		return unix.ENOPROTOOPT
	}
	return 0
}

// filterOf denies an ICMP filter to raw sockets of another protocol.
func filterOf(protocol int) func(socket) unix.Errno {
	return func(s socket) unix.Errno {
		if _, ok := rawOf(s, protocol); !ok {
			return unix.EOPNOTSUPP
		}
		return 0
	}
}

// setICMPFilter is ICMP_FILTER of raw(7).
func setICMPFilter(s socket, value []byte) unix.Errno {
	r, ok := rawOf(s, unix.IPPROTO_ICMP)
	if !ok {
		return unix.EOPNOTSUPP
	}
	b := binary.NativeEndian.AppendUint32(nil, r.filter.Load())
	copy(b, value)
	r.filter.Store(binary.NativeEndian.Uint32(b))
	return 0
}

func getICMPFilter(s socket, _ int) ([]byte, unix.Errno) {
	r, ok := rawOf(s, unix.IPPROTO_ICMP)
	if !ok {
		return nil, unix.EOPNOTSUPP
	}
	return abi.IntBytes(int32(r.filter.Load())), 0
}

func setICMP6Filter(s socket, value []byte) unix.Errno {
	r, ok := rawOf(s, unix.IPPROTO_ICMPV6)
	if !ok {
		return unix.EOPNOTSUPP
	}
	f := *r.filter6.Load()
	var b []byte
	for _, w := range f {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	copy(b, value)
	for i := range f {
		f[i] = binary.NativeEndian.Uint32(b[i*4:])
	}
	r.filter6.Store(&f)
	return 0
}

func getICMP6Filter(s socket, _ int) ([]byte, unix.Errno) {
	r, ok := rawOf(s, unix.IPPROTO_ICMPV6)
	if !ok {
		return nil, unix.EOPNOTSUPP
	}
	var out []byte
	for _, w := range r.filter6.Load() {
		out = binary.NativeEndian.AppendUint32(out, w)
	}
	return out, 0
}

// rawOf is the raw transport of s if it is of that protocol.
func rawOf(s socket, protocol int) (*raw, bool) {
	d, ok := s.(*datagram)
	if !ok {
		return nil, false
	}
	r, ok := d.tr.(*raw)
	return r, ok && r.protocol == protocol
}
