package publish

import (
	"errors"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// controlSize holds one IP_PKTINFO or IPV6_PKTINFO message: a cmsghdr of 16
// bytes and struct in_pktinfo (12) or in6_pktinfo (20), aligned.
const controlSize = 64

// wantLocal asks the kernel to tell with each datagram which of the host's
// addresses it came to (ip(7) IP_PKTINFO, ipv6(7) IPV6_RECVPKTINFO). On a
// socket bound to all addresses the answer would else leave from the address
// that the route prefers, and a connected client would not take it.
func wantLocal(conn *net.UDPConn, at netip.Addr) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	level, option := unix.IPPROTO_IP, unix.IP_PKTINFO
	if at.Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	}
	var setErr error
	err = raw.Control(func(fd uintptr) { setErr = unix.SetsockoptInt(int(fd), level, option, 1) })
	return errors.Join(err, setErr)
}

// replyFrom reads the local address from a datagram's control messages, and
// makes the message that sends an answer from it; nil when there is none.
func replyFrom(oob []byte) (netip.Addr, []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}, nil
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			// struct in_pktinfo: ifindex, spec_dst, addr. spec_dst is the
			// local address even where addr is a broadcast.
			spec := [4]byte(m.Data[4:8])
			local := netip.AddrFrom4(spec)
			if local.IsMulticast() {
				return netip.Addr{}, nil
			}
			return local, unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: spec})
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			local := netip.AddrFrom16([16]byte(m.Data[:16]))
			if local.IsMulticast() {
				return netip.Addr{}, nil
			}
			return local, unix.PktInfo6(&unix.Inet6Pktinfo{Addr: local.As16()})
		}
	}
	return netip.Addr{}, nil
}
