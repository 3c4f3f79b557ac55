package netemu

import "golang.org/x/sys/unix"

// maxIPOptions is the room for options in an IPv4 header (RFC 791), in bytes.
const maxIPOptions = 40

// The IPv4 options that anyone may set (ip(7), <linux/ip.h>); other ones are
// EINVAL without CAP_NET_RAW.
const (
	ipOptionEnd    = 0
	ipOptionNoop   = 1
	ipOptionRecord = 7
	ipOptionStamp  = 68
	ipOptionLoose  = 131
	ipOptionStrict = 137
)

// setIPOptions is IP_OPTIONS, checked as ip_options_get does: only padding is
// taken, which changes no packet. EPERM: routes and times would be asked for.
func setIPOptions(s socket, value []byte) unix.Errno {
	if len(value) > maxIPOptions {
		return unix.EINVAL
	}
	padded := make([]byte, (len(value)+3)&^3)
	copy(padded, value)
	ended := false
	for i := 0; i < len(padded); i++ {
		switch {
		case ended || padded[i] == ipOptionEnd:
			ended, padded[i] = true, ipOptionEnd
		case padded[i] == ipOptionNoop:
		case i+1 == len(padded) || padded[i+1] < 2 || int(padded[i+1]) > len(padded)-i:
			return unix.EINVAL
		case padded[i] == ipOptionRecord, padded[i] == ipOptionStamp, padded[i] == ipOptionLoose, padded[i] == ipOptionStrict:
			return unix.EPERM
		default:
			return unix.EINVAL
		}
	}
	// At most ten words of which the words of padding are told apart: bit i is
	// a no-op at byte i.
	var noops uint64
	for i, b := range padded {
		noops |= uint64(b) << i
	}
	s.memo().put("IP_OPTIONS", int64(noops))
	s.memo().put("IP_OPTIONS length", int64(len(padded)))
	return 0
}

func getIPOptions(s socket, _ int) ([]byte, unix.Errno) {
	noops := uint64(s.memo().get("IP_OPTIONS", 0))
	out := make([]byte, s.memo().get("IP_OPTIONS length", 0))
	for i := range out {
		out[i] = byte(noops >> i & 1)
	}
	return out, 0
}
