package stack

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// icmpErrno is what an ICMP code means to a socket: a hard error is reported
// without IP_RECVERR as well.
type icmpErrno struct {
	errno unix.Errno
	hard  bool
}

// unreachable4 is icmp_err_convert of net/ipv4/icmp.c, by code.
var unreachable4 = [...]icmpErrno{
	0:  {unix.ENETUNREACH, false},
	1:  {unix.EHOSTUNREACH, false},
	2:  {unix.ENOPROTOOPT, true},
	3:  {unix.ECONNREFUSED, true},
	4:  {unix.EMSGSIZE, true}, // fragmentation needed: hard unless IP_PMTUDISC_DONT
	5:  {unix.EOPNOTSUPP, false},
	6:  {unix.ENETUNREACH, true},
	7:  {unix.EHOSTDOWN, true},
	8:  {unix.ENONET, true},
	9:  {unix.ENETUNREACH, true},
	10: {unix.EHOSTUNREACH, true},
	11: {unix.ENETUNREACH, false},
	12: {unix.EHOSTUNREACH, false},
	13: {unix.EHOSTUNREACH, true},
	14: {unix.EHOSTUNREACH, true},
	15: {unix.EHOSTUNREACH, true},
}

// unreachable6 is tab_unreach of net/ipv6/icmp.c, by code.
var unreachable6 = [...]icmpErrno{
	0: {unix.ENETUNREACH, false},
	1: {unix.EACCES, true},
	2: {unix.EHOSTUNREACH, false},
	3: {unix.EHOSTUNREACH, false},
	4: {unix.ECONNREFUSED, true},
	5: {unix.EACCES, true},
	6: {unix.EACCES, true},
}

// convert4 fills in errno and info of an ICMP error, as __udp4_lib_err does.
// known is false where Linux ignores it.
func (e *QueuedError) convert4(msg []byte) (hard, known bool) {
	switch header.ICMPv4Type(e.Type) {
	case header.ICMPv4TimeExceeded:
		e.Errno = unix.EHOSTUNREACH
	case header.ICMPv4ParamProblem:
		e.Errno, hard = unix.EPROTO, true
		e.Info = uint32(msg[4]) // the pointer
	case header.ICMPv4DstUnreachable:
		if int(e.Code) >= len(unreachable4) {
			return false, false
		}
		c := unreachable4[e.Code]
		e.Errno, hard = c.errno, c.hard
		if header.ICMPv4Code(e.Code) == header.ICMPv4FragmentationNeeded {
			e.Info = uint32(header.ICMPv4(msg).MTU())
		}
	default:
		return false, false
	}
	return hard, true
}

// convert6 is the same for ICMPv6, as icmpv6_err_convert does.
func (e *QueuedError) convert6(msg []byte) (hard, known bool) {
	e.Errno, hard = unix.EPROTO, true
	switch header.ICMPv6Type(e.Type) {
	case header.ICMPv6DstUnreachable:
		if int(e.Code) < len(unreachable6) {
			e.Errno, hard = unreachable6[e.Code].errno, unreachable6[e.Code].hard
		}
	case header.ICMPv6PacketTooBig:
		e.Errno, hard = unix.EMSGSIZE, false
		e.Info = binary.BigEndian.Uint32(msg[4:])
	case header.ICMPv6TimeExceeded:
		e.Errno, hard = unix.EHOSTUNREACH, false
	case header.ICMPv6ParamProblem:
		e.Info = binary.BigEndian.Uint32(msg[4:])
	}
	return hard, true
}
