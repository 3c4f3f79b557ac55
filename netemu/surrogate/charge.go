package surrogate

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// charges remembers chargeOf by length. The kernel rounds allocations, so that
// the charge is no simple formula, but it is the same for every datagram of a
// length (SKB_TRUESIZE of the same allocation).
var charges sync.Map // int → int

// gauge is the private socketpair on which charges are measured.
var gauge struct {
	sync.Mutex
	fds  [2]int
	made bool
}

// chargeOf is what one queued datagram of n bytes adds to the sender's
// SIOCOUTQ.
func chargeOf(n int) (int, unix.Errno) {
	if c, ok := charges.Load(n); ok {
		return c.(int), 0
	}
	gauge.Lock()
	defer gauge.Unlock()
	if !gauge.made {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return 0, errnoOf(err)
		}
		gauge.fds, gauge.made = fds, true
	}
	if err := unix.Sendto(gauge.fds[0], make([]byte, n), unix.MSG_NOSIGNAL, nil); err != nil {
		return 0, errnoOf(err)
	}
	c, err := unix.IoctlGetInt(gauge.fds[0], unix.SIOCOUTQ)
	if _, rerr := quick.Recv(gauge.fds[1], make([]byte, 1), 0); err == nil {
		err = rerr
	}
	if err != nil {
		return 0, errnoOf(err)
	}
	charges.Store(n, c)
	return c, 0
}

// rawConnect is connect(2) with an address that x/sys has no type for.
func rawConnect(fd int, addr []byte) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&addr[0])), uintptr(len(addr)))
	return errno
}
