package netemu

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// Direct sockets. With the uplink host the kernel makes a task's TCP and UDP sockets
// (seccomp.Options.HostSockets), and they are the host's: read, write, poll, epoll,
// dup, fork and the rest are the kernel's own. Such a socket by itself reaches
// nothing. Each call by which it could is trapped, judged on copies of its arguments
// and made by the supervisor on a copy of the descriptor (trap.Lend): connect(2),
// and sends with an address or control messages. What is passed on to the kernel has
// everything that counts in registers.
//
// The supervisor keeps nothing of a direct socket. The kernel has its name, peer and
// options; the names that the sandbox has for addresses of the host's are worked out
// of those; and whom a UDP socket may hear is in its socket filter (direct_peers.go).
// So nothing has to be let go when it is closed, and copies made by dup or fork are
// right by themselves.
//
// A socket that turns out to be the sandbox's own affair (bind, listen, an address
// of the sandbox or of its gateway, one that the policy refuses, an option that means
// the sandbox's interfaces) is exchanged for a surrogate with an endpoint, in the
// calling process's descriptor (direct_exchange.go), and the call is made on that. So
// what is refused is refused by the same code and with the same errno as with nat.

// Outside is what of the outside world direct sockets may have.
type Outside interface {
	// Reach says whether a socket of the host's may be used for dst, which is not
	// v4-mapped, and where that is on the host.
	Reach(dst netip.AddrPort) (netip.AddrPort, bool)
	// Renames says whether Seen ever gives another address.
	Renames() bool
	// Seen is how the sandbox sees the address of a peer.
	Seen(netip.Addr) netip.Addr
	// Own is the sandbox's address that stands for one of the host's.
	Own(netip.Addr) netip.Addr
}

// outside is what the emulator has for direct sockets; without an Outside there are
// none.
type outside struct {
	Outside
	// passed are the inodes of sockets that the program was started with.
	passed map[uint64]bool
	// connecting is held while the flags of a socket that blocks are changed.
	connecting sync.Mutex
	defaults   defaults
	epolls     epolls
	count      directCounters
}

// DirectStats counts what became of direct sockets.
type DirectStats struct {
	Connects  uint64 // connect(2)s to the outside, any outcome
	Sends     uint64 // datagrams that the supervisor has sent
	Exchanged uint64 // sockets that became the sandbox's own
	Forgotten uint64 // peers of a UDP socket that are not heard any more: maxPeers
	Sets      uint64 // epoll sets that a copy is kept of
	Scans     uint64 // exchanges that looked for others among the task's descriptors
}

type directCounters struct{ connects, sends, exchanged, forgotten, sets, scans atomic.Uint64 }

// DirectStats reads the counters.
func (e *Emulator) DirectStats() DirectStats {
	c := &e.outside.count
	return DirectStats{c.connects.Load(), c.sends.Load(), c.exchanged.Load(), c.forgotten.Load(), c.sets.Load(), c.scans.Load()}
}

// directCalls is what direct sockets are asked by. What is handed to the kernel (run)
// says all in registers.
var directCalls = map[int]func(*direct, trap.Task, trap.Call) trap.Verdict{
	unix.SYS_BIND:        (*direct).bind,
	unix.SYS_CONNECT:     (*direct).connect,
	unix.SYS_LISTEN:      (*direct).listen,
	unix.SYS_ACCEPT:      (*direct).run, // EINVAL: what listens is the sandbox's
	unix.SYS_ACCEPT4:     (*direct).run,
	unix.SYS_SHUTDOWN:    (*direct).run,
	unix.SYS_GETSOCKNAME: (*direct).address,
	unix.SYS_GETPEERNAME: (*direct).address,
	unix.SYS_SETSOCKOPT:  (*direct).setsockopt,
	unix.SYS_GETSOCKOPT:  (*direct).getsockopt,
	unix.SYS_SENDTO:      (*direct).send,
	unix.SYS_SENDMSG:     (*direct).send,
	unix.SYS_SENDMMSG:    (*direct).send,
	unix.SYS_RECVFROM:    (*direct).receive,
	unix.SYS_RECVMSG:     (*direct).receive,
	unix.SYS_RECVMMSG:    (*direct).receive,
	unix.SYS_IOCTL:       (*direct).ioctl,
}

// direct is a direct socket during one call on descriptor fd.
type direct struct {
	e   *Emulator
	fd  int32
	idn identity
}

// directKinds are the sockets that may be direct ones, by the kernel's name.
var directKinds = map[string]identity{
	"TCP":   {family: unix.AF_INET, typ: unix.SOCK_STREAM, protocol: unix.IPPROTO_TCP},
	"TCPv6": {family: unix.AF_INET6, typ: unix.SOCK_STREAM, protocol: unix.IPPROTO_TCP},
	"UDP":   {family: unix.AF_INET, typ: unix.SOCK_DGRAM, protocol: unix.IPPROTO_UDP},
	"UDPv6": {family: unix.AF_INET6, typ: unix.SOCK_DGRAM, protocol: unix.IPPROTO_UDP},
}

// findDirect returns the direct socket behind fd, nil if it is none. No other socket
// of these kinds comes into a task but those that the program was started with.
func (e *Emulator) findDirect(t trap.Task, fd int32) *direct {
	name, errno := t.Protocol(fd)
	id, ok := directKinds[name]
	if errno != 0 || !ok {
		return nil
	}
	if len(e.outside.passed) > 0 {
		if inode, errno := t.Inode(fd); errno != 0 || e.outside.passed[inode] {
			return nil
		}
	}
	return &direct{e: e, fd: fd, idn: id}
}

func (d *direct) isTCP() bool { return d.idn.typ == unix.SOCK_STREAM }

// lend goes on with a copy of the descriptor.
func (d *direct) lend(then func(t trap.Task, file int) trap.Verdict) trap.Verdict {
	return (&trap.Lend{FD: d.fd, Then: then}).Verdict()
}

func (d *direct) run(trap.Task, trap.Call) trap.Verdict { return trap.Run() }

// reach is the address that the host has for sa, as the kernel takes it; false if
// that is the sandbox's own, or refused.
func (d *direct) reach(sa abi.Sockaddr) (to abi.Sockaddr, ok bool) {
	a := sa.Addr.Addr().Unmap()
	if a.IsUnspecified() || d.e.stack.IsOwn(a) {
		return abi.Sockaddr{}, false
	}
	at, ok := d.e.outside.Reach(netip.AddrPortFrom(a, sa.Addr.Port()))
	return abi.Sockaddr{Family: sa.Family, Addr: at}, ok
}

// seen is an address that the host has, as the sandbox sees it.
func (d *direct) seen(sa abi.Sockaddr, by func(netip.Addr) netip.Addr) abi.Sockaddr {
	if a := sa.Addr.Addr().Unmap(); a.IsValid() && !a.IsUnspecified() {
		sa.Addr = netip.AddrPortFrom(by(a), sa.Addr.Port())
	}
	return sa
}

// address is getsockname(2) and getpeername(2).
func (d *direct) address(t trap.Task, c trap.Call) trap.Verdict {
	return d.lend(func(t trap.Task, file int) trap.Verdict {
		call, by := nameOf, d.e.outside.Own
		if c.NR == unix.SYS_GETPEERNAME {
			call, by = peerOf, d.e.outside.Seen
		}
		sa, errno := call(file)
		if errno != 0 {
			return trap.Fail(errno)
		}
		return trap.Fail(moveAddress(t, d.seen(sa, by).Bytes(), c.Pointer(1), c.Pointer(2)))
	})
}

func (d *direct) listen(t trap.Task, c trap.Call) trap.Verdict {
	if !d.isTCP() {
		return trap.Fail(unix.EOPNOTSUPP)
	}
	return d.exchange(c, d.e.listen)
}

func (d *direct) bind(t trap.Task, c trap.Call) trap.Verdict { return d.exchange(c, d.e.bind) }

// ioctl tells of the sandbox's interfaces; what is about the socket is the kernel's.
func (d *direct) ioctl(t trap.Task, c trap.Call) trap.Verdict {
	switch c.Args[1] & (1<<32 - 1) {
	case unix.SIOCATMARK, unix.SIOCGSTAMP, unix.SIOCGSTAMPNS, siocGStampNew, siocGStampNSNew, unix.SIOCOUTQNSD:
		return trap.Run()
	}
	return d.e.ioctlOn(t, c, d.idn.family, d.idn.typ)
}

// SIOCGSTAMP_NEW and SIOCGSTAMPNS_NEW (<linux/sockios.h>).
const (
	siocGStampNew   = 0x80108906
	siocGStampNSNew = 0x80108907
)

// socketsOf are the inodes of those descriptors that are sockets.
func socketsOf(files []int) map[uint64]bool {
	inodes := map[uint64]bool{}
	for _, file := range files {
		var st unix.Stat_t
		if unix.Fstat(file, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			inodes[st.Ino] = true
		}
	}
	return inodes
}
