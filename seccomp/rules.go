package seccomp

import "golang.org/x/sys/unix"

// action is what becomes of a call that a rule matches.
type action uint8

const (
	// trap hands the call to the emulation: by a seccomp-stop
	// (SECCOMP_RET_TRACE) or a notification (SECCOMP_RET_USER_NOTIF), as the
	// engine is.
	trap action = iota
	// look stops the task for the tracer itself, with either engine.
	look
	// refuse fails the call with EPERM.
	refuse
	// missing fails the call with ENOSYS, as a kernel without it.
	missing
	// pretend returns 0 without running the call.
	pretend
)

// rule is one row of the filter. Of when, one test list must hold entirely
// (or of and); no list at all means always.
type rule struct {
	name string
	act  action
	when [][]test
	why  string
}

// op is a comparison of a [test].
type op uint8

const (
	nonzero   op = iota // the whole 64-bit register is not 0
	equal32             // the low 32 bits are val; the kernel takes the argument as an int
	from32              // the low 32 bits are at least val
	upto32              // the low 32 bits are at most val
	anyBit32            // the low 32 bits share a bit with val
	noBit32             // the low 32 bits share no bit with val
	differs32           // the low 32 bits are not val
	zero                // the whole 64-bit register is 0
)

// test compares argument register arg.
type test struct {
	arg uint32
	op  op
	val uint32
}

const (
	// The first and last request of <linux/sockios.h> that is about networks.
	// The four below it set the owner of SIGIO (FIOSETOWN, SIOCSPGRP,
	// FIOGETOWN, SIOCGPGRP), which the surrogate does by itself.
	siocFirst = 0x8905 // SIOCATMARK
	siocLast  = 0x89ff // the last SIOCDEVPRIVATE
	// The wireless extensions' (<linux/wireless.h>): any socket takes them.
	siocWirelessFirst = 0x8b00 // SIOCIWFIRST
	siocWirelessLast  = 0x8bff // SIOCIWLAST
	// The requests of the same family that carry direction and size:
	// _IOR(0x89, 0x06, long long[2]) and _IOR(0x89, 0x07, long long[2]).
	siocGStampNew   = 0x80108906
	siocGStampNSNew = 0x80108907

	prSetDumpable = unix.PR_SET_DUMPABLE
	// uffdUserModeOnly is UFFD_USER_MODE_ONLY of <linux/userfaultfd.h>.
	uffdUserModeOnly = 1
)

// notUnix holds for every family but AF_UNIX, whose sockets stay native. The
// kernel takes the family as an int: the upper half does not count.
var notUnix = [][]test{{{arg: 0, op: differs32, val: unix.AF_UNIX}}}

// flagged are the message flags whose meaning a surrogate does not have.
const flagged = unix.MSG_OOB | unix.MSG_ERRQUEUE

// addressed holds for sendto and recvfrom with an address, or with a flag
// that the emulation has to answer.
var addressed = [][]test{
	{{arg: 4, op: nonzero}},
	{{arg: 3, op: anyBit32, val: flagged}},
}

// sent holds for sendto. One with MSG_MORE adds to a datagram; a stream's costs a
// stop for nothing.
var sent = append([][]test{{{arg: 3, op: anyBit32, val: unix.MSG_MORE}}}, addressed...)

// received holds for recvfrom. One with MSG_DONTWAIT alone is how musl fetches
// what the kernel has answered to a netlink request by the time send(2) returns:
// the emulation sees to it that the answer is there.
var received = append([][]test{{{arg: 3, op: equal32, val: unix.MSG_DONTWAIT}}}, addressed...)

// rules is the filter. Calls that are not listed run natively.
var rules = []rule{
	{"socket", trap, notUnix, "gives a surrogate; other families are refused there"},
	{"socketpair", trap, notUnix, "Linux has no pairs but of AF_UNIX; the errno depends on the family"},
	{"connect", trap, nil, "the emulation's, and AF_UNIX by path"},
	{"bind", trap, nil, "the emulation's, and AF_UNIX by path"},
	{"listen", trap, nil, "the emulation's"},
	{"accept", trap, nil, "the emulation's"},
	{"accept4", trap, nil, "the emulation's"},
	{"getsockname", trap, nil, "sandbox addresses, never the surrogate's"},
	{"getpeername", trap, nil, "sandbox addresses, never the surrogate's"},
	{"getsockopt", trap, nil, "the emulation's"},
	{"setsockopt", trap, nil, "the emulation's"},
	{"shutdown", trap, nil, "half-close and RST are the stack's"},
	{"sendto", trap, sent, "without an address and flags the surrogate takes the bytes natively"},
	{"recvfrom", trap, received, "without an address and flags the surrogate gives the bytes natively"},
	{"sendmsg", trap, nil, "the address and control data are in memory, out of the filter's sight"},
	{"recvmsg", trap, nil, "the address and control data are in memory, out of the filter's sight"},
	{"sendmmsg", trap, nil, "as sendmsg"},
	{"recvmmsg", trap, nil, "as recvmsg"},
	{"ioctl", trap, [][]test{
		{{arg: 1, op: from32, val: siocFirst}, {arg: 1, op: upto32, val: siocLast}},
		{{arg: 1, op: from32, val: siocWirelessFirst}, {arg: 1, op: upto32, val: siocWirelessLast}},
		{{arg: 1, op: equal32, val: siocGStampNew}},
		{{arg: 1, op: equal32, val: siocGStampNSNew}},
	}, "SIOC* requests tell of the host's interfaces; FIONREAD, FIOASYNC and TIOCOUTQ are not among them"},

	{"mmap", trap, [][]test{{
		{arg: 3, op: anyBit32, val: unix.MAP_SHARED}, {arg: 3, op: noBit32, val: unix.MAP_ANONYMOUS},
		{arg: 2, op: anyBit32, val: unix.PROT_WRITE}, {arg: 4, op: differs32, val: 1<<32 - 1},
	}}, "the ring of a packet socket is the emulation's; libraries are mapped privately and files seldom to be written"},

	{"io_uring_setup", missing, nil, "its requests pass no filter"},
	{"io_uring_enter", missing, nil, "its requests pass no filter"},
	{"io_uring_register", missing, nil, "its requests pass no filter"},

	{"process_vm_readv", look, nil, "the tracer allows it on processes of the box only"},
	{"process_vm_writev", look, nil, "the tracer allows it on processes of the box only"},
	{"ptrace", refuse, nil, "tasks of the box have their tracer already; others are none of its business"},
	{"pidfd_getfd", refuse, nil, "takes a socket out of a process outside the box"},
	{"bpf", refuse, nil, "as root it reaches the host's interfaces and sockets"},
	{"userfaultfd", refuse, [][]test{{{arg: 0, op: noBit32, val: uffdUserModeOnly}}},
		"could hold the supervisor in a fault when it copies arguments; the errno is Linux's for the unprivileged"},
	{"prctl", pretend, [][]test{{{arg: 0, op: equal32, val: prSetDumpable}, {arg: 1, op: zero}}},
		"an undumpable process hides its memory from an unprivileged supervisor: its sockets would fail"},
}
