package netemu

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/netemu/surrogate"
	"netbox/trap"
)

// maxHandedOver bounds the connections that wait on a listener's surrogate. It
// is below what the AF_UNIX queue holds at the default buffer (277 one-byte
// messages) and below the in-flight descriptors of an ordinary user
// (RLIMIT_NOFILE, too_many_unix_fds), and leaves the rest of the backlog to
// netstack, which answers SYNs by it.
const maxHandedOver = 64

// listener hands the connections of a listening stream to its surrogate, each
// as one byte with SCM_RIGHTS: accept(2) is then a native recvmsg(2), and the
// kernel does the blocking and chooses among several acceptors.
type listener struct {
	s    *stream
	done chan struct{}

	mu sync.Mutex
	// handed are the connections on the surrogate, in order.
	handed  []*stream
	limit   int
	backlog int // as ss(8) tells it
	over    bool
	room    chan struct{} // a token when handed shrinks
}

// listen is listen(2); the backlog is cut to somaxconn as __sys_listen does.
func (s *stream) listen(t trap.Task, fd int32, backlog int32) unix.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != fresh && s.state != listening || s.untold || s.disconnecting {
		return unix.EINVAL
	}
	file, errno := s.borrowLocked(t, fd)
	if errno == 0 {
		errno = s.listenLocked(file, backlog)
		giveBack(file)
	}
	return errno
}

// listenLocked makes a socket listen, or changes its backlog. file is as for
// joinLocked.
func (s *stream) listenLocked(file int, backlog int32) unix.Errno {
	n := int(backlog)
	if n < 0 || n > somaxconn {
		n = somaxconn
	}
	if s.state == fresh {
		if _, errno := s.bindAgainLocked(); errno != 0 {
			return errno
		}
		if a, errno := s.ep.Local(); errno != 0 || a.Port() == 0 {
			if errno := s.ep.Bind(stack.Addr{}); errno != 0 {
				return errno
			}
		}
	}
	limit := min(max(n/2, 1), maxHandedOver)
	if errno := s.ep.Listen(max(n-limit, 1)); errno != 0 {
		return errno
	}
	if s.state == listening {
		s.listener.setLimit(limit, n)
		return 0
	}
	if errno := s.joinLocked(file, false); errno != 0 {
		s.endLocked(errno, true)
		return errno
	}
	s.state = listening
	s.listener = &listener{s: s, limit: limit, backlog: n, done: make(chan struct{}), room: make(chan struct{}, 1)}
	s.e.reg.listening(s, true)
	s.e.wg.Add(1) // listener.run
	go s.listener.run()
	return 0
}

// somaxconn is net.core.somaxconn's default since Linux 5.4.
const somaxconn = 4096

func (l *listener) setLimit(n, backlog int) {
	l.mu.Lock()
	l.limit, l.backlog = n, backlog
	l.mu.Unlock()
	token(l.room)
}

// run hands connections over until the listener stops.
func (l *listener) run() {
	defer l.s.e.wg.Done()
	for {
		switch l.handOver() {
		case unix.EAGAIN:
			select {
			case <-l.s.readable:
			case <-l.done:
				return
			}
		case unix.ENOBUFS:
			select {
			case <-l.room:
			case <-l.done:
				return
			}
		case unix.ENFILE:
			select {
			case <-time.After(fullRetry):
			case <-l.done:
				return
			}
		case 0:
		default:
			return
		}
	}
}

// fullRetry is how often is looked whether the supervisor has descriptors again for
// what waits in the backlog: soon to a person, and no work to speak of.
const fullRetry = 100 * time.Millisecond

// handOver moves one connection from netstack to the surrogate. EAGAIN: none is
// there. ENOBUFS: the surrogate holds as many as it may. ENFILE: the supervisor is
// out of descriptors, and the connection stays in the backlog.
func (l *listener) handOver() unix.Errno {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return unix.EINVAL
	}
	if len(l.handed) >= l.limit {
		return unix.ENOBUFS
	}
	if l.s.ep.Readiness(unix.POLLIN) == 0 {
		return unix.EAGAIN
	}
	sur, pair, err := surrogate.NewOpen()
	if err != nil {
		return unix.ENFILE
	}
	ep, _, errno := l.s.ep.Accept()
	if errno != 0 {
		sur.Close()
		unix.Close(pair.T)
		return errno
	}
	child := l.s.e.acceptedStream(l.s.idn, ep, sur, pair)
	inheritOptions(l.s, child)
	child.boundRoom()
	if err := l.s.sur.SendFile(child.file); err != nil {
		child.drop()
		return 0
	}
	l.handed = append(l.handed, child)
	return 0
}

// empty says that no connection waits on the surrogate.
func (l *listener) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.handed) == 0
}

// acceptedStream is a connected stream that no task holds yet.
func (e *Emulator) acceptedStream(id identity, ep *stack.Endpoint, sur *surrogate.Stream, pair surrogate.Pair) *stream {
	id.inode = pair.Inode
	s := e.prepareStream(id, ep, sur)
	s.file, s.reported = pair.T, true
	s.connectLocked()
	s.start(false)
	s.e.pumps.Go(s.inbound)
	return s
}

// stopped says that shutdown(2) has ended the listener.
func (l *listener) stopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// stop ends the listener and resets what nobody has accepted, as
// inet_csk_listen_stop does.
func (l *listener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	close(l.done)
	l.s.e.reg.listening(l.s, false)
	l.s.ep.Shutdown(true, false)
	for _, c := range l.handed {
		c.drop()
	}
	l.handed = nil
}

// taken lets go of T, which a task now has, and returns the peer's address.
func (s *stream) taken(nonblock bool) abi.Sockaddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file >= 0 {
		if nonblock {
			_ = unix.SetNonblock(s.file, true) // cannot fail on an open descriptor
		}
		unix.Close(s.file)
		s.file = -1
	}
	s.rememberLocked()
	return sockaddr(s.idn.family, s.remote)
}

// drop ends a connection that no task will take.
func (s *stream) drop() {
	s.close()
	s.taken(false)
	s.e.reg.remove(s)
}
