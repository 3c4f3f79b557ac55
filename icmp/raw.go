package icmp

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// rawBuffer is asked for as SO_RCVBUF and SO_SNDBUF of the raw sockets; the
// kernel cuts it to net.core.rmem_max and wmem_max (212992 by default). A
// small reply is charged about 800 bytes, and 4 MiB of them are 50 ms of
// replies at the highest pace: longer than the helper is ever kept waiting
// for a core on a loaded machine.
const rawBuffer = 4 << 20

// rawSockets are one family's: recv gets the answers and sends what may be
// fragmented, df sends with fragmentation forbidden and receives nothing.
// Two, because IPv4 has no control message for DF. errno says why there are
// none.
type rawSockets struct {
	recv, df int
	errno    unix.Errno
}

// openRaw opens the raw sockets of a family. What needs CAP_NET_RAW is
// socket(2) alone; if that fails errno tells why, and any later failure is an
// error.
func openRaw(f family, filter []bpf.Instruction) (rawSockets, error) {
	s := rawSockets{recv: -1, df: -1}
	domain, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if f == inet6 {
		domain, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	for _, fd := range []*int{&s.recv, &s.df} {
		var err error
		*fd, err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
		if err != nil {
			s.close()
			if !errors.As(err, &s.errno) {
				return s, err
			}
			return s, nil
		}
	}
	if err := s.configure(f, filter); err != nil {
		s.close()
		return s, err
	}
	return s, nil
}

func (s *rawSockets) configure(f family, filter []bpf.Instruction) error {
	if err := attachFilter(s.recv, filter); err != nil {
		return err
	}
	if err := attachFilter(s.df, dropAll); err != nil {
		return err
	}
	for _, o := range s.options(f) {
		if err := unix.SetsockoptInt(o.fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("setsockopt %d, %d: %w", o.level, o.name, err)
		}
	}
	return nil
}

type sockopt struct{ fd, level, name, value int }

// options are what the raw sockets of a family are set to.
func (s *rawSockets) options(f family) []sockopt {
	common := []sockopt{
		{s.recv, unix.SOL_SOCKET, unix.SO_RCVBUF, rawBuffer},
		{s.recv, unix.SOL_SOCKET, unix.SO_SNDBUF, rawBuffer},
		{s.df, unix.SOL_SOCKET, unix.SO_SNDBUF, rawBuffer},
		{s.recv, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
		{s.recv, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
	}
	// PMTUDISC_PROBE sets DF and disregards what is known of the path, so
	// that each request is answered by the router that cannot forward it.
	if f == inet {
		return append(common,
			sockopt{s.recv, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT},
			sockopt{s.df, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE})
	}
	return append(common,
		sockopt{s.recv, unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
		sockopt{s.df, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE},
		sockopt{s.df, unix.SOL_IPV6, unix.IPV6_DONTFRAG, 1})
}

func (s *rawSockets) close() {
	for _, fd := range []*int{&s.recv, &s.df} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}
