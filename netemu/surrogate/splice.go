package surrogate

import (
	"sync"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// spliceAppends says that this kernel puts what splice(2) and sendfile(2) send
// into the last skb of the queue, also when all of it but the ghost was read:
// Linux up to 6.4 (unix_stream_sendpage, net/unix/af_unix.c). There the ghost's
// skb grows with each call, up to T's whole send buffer.
var spliceAppends = sync.OnceValue(func() bool {
	appends, err := probeSplice()
	return appends || err != nil // to be wrong costs no more than some ghosts
})

// probeSplice splices two bytes into a socket: reading the first one frees its
// skb, and what that was charged, unless the second one is in it.
func probeSplice() (appends bool, err error) {
	sock, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer func() { unix.Close(sock[0]); unix.Close(sock[1]) }()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return false, err
	}
	defer func() { unix.Close(pipe[0]); unix.Close(pipe[1]) }()
	if _, err := unix.Write(pipe[1], []byte{0, 0}); err != nil {
		return false, err
	}
	for range 2 {
		if _, err := unix.Splice(pipe[0], nil, sock[0], nil, 1, unix.SPLICE_F_NONBLOCK); err != nil {
			return false, err
		}
	}
	both, err := unix.IoctlGetInt(sock[0], unix.SIOCOUTQ)
	if err != nil {
		return false, err
	}
	if _, err := quick.Recv(sock[1], make([]byte, 1), 0); err != nil {
		return false, err
	}
	one, err := unix.IoctlGetInt(sock[0], unix.SIOCOUTQ)
	return one == both, err
}
