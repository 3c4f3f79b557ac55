package seccomp

import "golang.org/x/sys/unix"

// hostSocket takes the place of the first rule where the kernel makes TCP and UDP
// sockets. All that says which they are is in registers. Such a socket alone reaches
// nothing: each call by which it could is trapped.
var hostSocket = rule{"socket", trap, [][]test{
	{notFamily(unix.AF_UNIX), notFamily(unix.AF_INET), notFamily(unix.AF_INET6)},
	{notFamily(unix.AF_UNIX), {arg: 1, op: noBit32, val: unix.SOCK_STREAM | unix.SOCK_DGRAM}},
	{notFamily(unix.AF_UNIX), {arg: 1, op: anyBit32, val: unix.SOCK_STREAM}, {arg: 1, op: anyBit32, val: unix.SOCK_DGRAM}}, // SOCK_RAW
	{notFamily(unix.AF_UNIX), {arg: 1, op: anyBit32, val: 0xf &^ (unix.SOCK_STREAM | unix.SOCK_DGRAM)}},
	{notFamily(unix.AF_UNIX), notProtocol(0), notProtocol(unix.IPPROTO_TCP), notProtocol(unix.IPPROTO_UDP)},
}, "TCP and UDP sockets are the host's, if the policy lets them; others get a surrogate or are refused"}

// epollSets are the calls that make a set, in which sockets of the host's may be.
func epollSets() []rule {
	const why = "a socket of the host's for which the emulation puts one of the sandbox's has to be registered anew"
	return append(legacyEpolls(why), rule{"epoll_create1", trap, nil, why})
}

func notFamily(f uint32) test   { return test{arg: 0, op: differs32, val: f} }
func notProtocol(p uint32) test { return test{arg: 2, op: differs32, val: p} }
