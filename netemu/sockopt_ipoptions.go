package netemu

import "golang.org/x/sys/unix"

// maxIPOptions is the room for options in an IPv4 header (RFC 791), in bytes.
const maxIPOptions = 40

// The IPv4 options of one byte, RFC 791.
const (
	ipOptionEnd  = 0
	ipOptionNoop = 1
)

// setIPOptions is IP_OPTIONS, checked as ip_options_get does: only padding is
// taken, which changes no packet. What is well formed else is EPERM, as to a
// program without CAP_NET_RAW.
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
		default:
			return unix.EPERM
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
