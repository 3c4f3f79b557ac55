// Package surrogate makes the kernel AF_UNIX sockets that tasks hold where
// they believe they hold AF_INET, AF_INET6 or AF_NETLINK ones, and moves bytes
// and datagrams through the supervisor's end of them.
//
// A surrogate is one end T of a socketpair(2); the supervisor keeps the other
// end S and forgets T once a task has it. The kernel then keeps the descriptor
// table (dup, fork, exec, SCM_RIGHTS, epoll), and T is known by its sockfs
// inode.
//
// A stream surrogate (SOCK_STREAM) may begin idle: T is a socket that is not
// connected to anything, and shows what one of TCP does. To connect it, or to
// have it listen, the supervisor takes a copy of T for a moment (pidfd_getfd(2))
// and joins it to an S, at a listener that the process keeps ([meeting]); where that call is not allowed, T has its S from the start.
// Stream surrogates are held "connecting" by a filler: bytes that
// T itself has sent and S has not read, so many that T polls not writable.
// Reading them makes T writable, with an edge for epoll. From then on one byte
// that T has sent is left unread in S's queue (the ghost), but in bulk:
// closing S then gives T ECONNRESET, which is how a TCP reset reaches a native
// read(2) (unix_release_sock in net/unix/af_unix.c); with the ghost read first
// T sees an orderly end. S hangs up when every copy of T is closed, and shows
// ECONNRESET if T was closed with unread data, which is TCP's reset on close.
//
// Datagram surrogates (SOCK_DGRAM) keep message boundaries and can show a
// pending error (POLLERR) on T: see [Datagram.Raise]. The kernel does not
// announce that such a T was closed; [Datagram.Alive] finds out.
//
// Ownership: a Stream or Datagram owns its descriptor S and closes it. Methods
// are safe for concurrent use unless they say otherwise.
package surrogate

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Pair is a new surrogate before it is handed out: S for the supervisor,
// non-blocking, and T for the task, both close-on-exec.
type Pair struct {
	S, T  int
	Inode uint64
}

// newPair makes a socketpair of type typ. T gets O_NONBLOCK if nonblock.
func newPair(typ int, nonblock bool) (Pair, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return Pair{}, fmt.Errorf("socketpair: %w", err)
	}
	p := Pair{S: fds[0], T: fds[1]}
	var st unix.Stat_t
	if err = unix.Fstat(p.T, &st); err == nil && !nonblock {
		err = unix.SetNonblock(p.T, false)
	}
	if err != nil {
		p.close()
		return Pair{}, fmt.Errorf("surrogate: %w", err)
	}
	p.Inode = st.Ino
	return p, nil
}

func (p Pair) close() {
	unix.Close(p.S)
	unix.Close(p.T)
}
