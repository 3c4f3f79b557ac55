package netemu

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/netemu/surrogate"
	"netbox/netemu/uplink/relay"
	"netbox/trap"
)

// streamState is where a TCP socket stands, as a task sees it.
//
//	fresh ─connect→ connecting ─→ connected ─→ over
//	   └──listen──→ listening        (failed connect: over; connect again: fresh)
type streamState uint8

const (
	fresh streamState = iota
	connecting
	connected
	listening
	over
)

// stream is a TCP socket. Its outbound goroutine runs from when the surrogate has
// an S, since it is the one that sees the surrogate close; inbound runs from
// connect on.
type stream struct {
	e   *Emulator
	idn identity
	mem memo
	sur *surrogate.Stream

	// owner is the process that connected or accepted it, 0: none has. watched is the
	// same if it is watched for the connection's error.
	owner   atomic.Int32
	watched int

	readable, writable chan struct{} // a token when netstack says so
	done               chan struct{} // closed when the socket is over
	unsubscribe        func()

	// sent and delivered are the bytes that went by netstack, from here and to the
	// task. sent and other, the other end within the sandbox, are outbound's.
	sent      int64
	delivered atomic.Int64
	other     *stream

	mu    sync.Mutex
	ep    *stack.Endpoint
	state streamState
	// decided is closed when a handshake's outcome is known, nil: none is under way.
	decided chan struct{}
	// idle says that the surrogate has no S, which connect and listen give it.
	idle bool
	// bound is the address that bind(2) was given.
	bound *stack.Addr
	// soError is what SO_ERROR will tell, once; kept is what has ended a recvmmsg(2)
	// behind its first message, of which the surrogate knows nothing.
	soError, kept unix.Errno
	// reported says that connect(2) has told the outcome of a handshake that it
	// left behind with EINPROGRESS.
	reported bool
	// untold says that a fresh socket has taken the place of one whose failure
	// connect(2) has not told yet.
	untold bool
	// disconnecting says that shutdown(2) came before connect(2) could tell a failure,
	// which leaves nothing but connect(AF_UNSPEC) (inet_shutdown).
	disconnecting bool
	// failedConnect says that the socket is over for want of a connection, so
	// that connect may be tried again.
	failedConnect bool
	// local and remote are the last that netstack told.
	local, remote stack.Addr
	// target is where connect(2) goes, which netstack does not tell meanwhile.
	target              netip.AddrPort
	readOver, writeOver bool
	// writeShut says that the task has shut its writing side, of which outbound
	// learns behind the last byte.
	writeShut bool
	// shutFresh says that shutdown(2) has failed for want of a connection, which
	// ends reading all the same (inet_shutdown).
	shutFresh   bool
	hungUp      bool
	sendTimeout time.Duration // SO_SNDTIMEO, negative: none
	// short carries the connection's bytes, nil: netstack does.
	short *relay.Shortcut
	// file is T of an accepted connection that no task has taken yet, -1 else.
	file     int
	listener *listener
}

func (s *stream) id() *identity             { return &s.idn }
func (s *stream) stack() *stack.Stack       { return s.e.stack }
func (s *stream) memo() *memo               { return &s.mem }
func (s *stream) endpoint() *stack.Endpoint { s.mu.Lock(); defer s.mu.Unlock(); return s.ep }

// newStream makes a TCP socket and installs its surrogate.
func (e *Emulator) newStream(id identity, flags int) trap.Verdict {
	s, file, errno := e.startStream(id, flags)
	if errno != 0 {
		return trap.Fail(errno)
	}
	return install(file, flags, s.close)
}

func (e *Emulator) startStream(id identity, flags int) (*stream, int, unix.Errno) {
	ep, errno := e.newEndpoint(id.family)
	if errno != 0 {
		return nil, -1, errno
	}
	idle := e.borrow
	sur, pair, err := newSurrogate(idle, flags&unix.SOCK_NONBLOCK != 0)
	if err != nil {
		ep.Close()
		return nil, -1, surrogateErrno(err)
	}
	id.inode = pair.Inode
	s := e.prepareStream(id, ep, sur)
	s.start(idle)
	return s, pair.T, 0
}

func (e *Emulator) newEndpoint(family int) (*stack.Endpoint, unix.Errno) {
	if family == unix.AF_INET6 {
		return e.stack.NewTCP(stack.Inet6)
	}
	return e.stack.NewTCP(stack.Inet4)
}

func newSurrogate(idle, nonblock bool) (*surrogate.Stream, surrogate.Pair, error) {
	if idle {
		return surrogate.NewIdle(nonblock)
	}
	return surrogate.NewConnecting(nonblock)
}

// prepareStream is a stream before its goroutines run.
func (e *Emulator) prepareStream(id identity, ep *stack.Endpoint, sur *surrogate.Stream) *stream {
	return &stream{
		e: e, idn: id, sur: sur, ep: ep, sendTimeout: -1, file: -1,
		readable: make(chan struct{}, 1), writable: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// start registers the stream and starts its outbound goroutine, unless its
// surrogate is idle.
func (s *stream) start(idle bool) {
	s.subscribe()
	s.idle = idle
	s.e.reg.add(s)
	if !idle {
		s.e.pumps.Go(s.outbound)
	}
}

// subscribe asks netstack for tokens.
func (s *stream) subscribe() {
	in := s.ep.Notify(unix.POLLIN|unix.POLLHUP|unix.POLLERR, func() { token(s.readable) })
	out := s.ep.Notify(unix.POLLOUT|unix.POLLHUP|unix.POLLERR, func() { token(s.writable) })
	s.unsubscribe = func() { in(); out() }
}

// token puts one in ch if there is none: a wake-up that is never lost and never
// blocks.
func token(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// surrogateErrno is what a task is told when no surrogate can be made: the
// supervisor is out of descriptors or memory.
func surrogateErrno(err error) unix.Errno {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return unix.ENFILE
	}
	return unix.ENOBUFS
}

func (s *stream) name() (abi.Sockaddr, unix.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rememberLocked()
	if s.wornLocked() && s.reported {
		return sockaddr(s.idn.family, s.lastNameLocked()), 0
	}
	return sockaddr(s.idn.family, s.local), 0
}

func (s *stream) peer() (abi.Sockaddr, unix.Errno) {
	s.awaitReset()
	s.mu.Lock()
	defer s.mu.Unlock()
	been := s.state == connected || s.state == over && !s.failedConnect
	if !been || !s.lingersLocked() {
		return abi.Sockaddr{}, unix.ENOTCONN
	}
	s.rememberLocked()
	return sockaddr(s.idn.family, s.remote), 0
}

// rememberLocked keeps the addresses that netstack tells as long as it does: it
// forgets them with the connection, and a task may ask later.
func (s *stream) rememberLocked() {
	if s.state == over {
		return
	}
	if a, errno := s.ep.Local(); errno == 0 && (a.Port() != 0 || s.local.Port() == 0) {
		s.local = a
	}
	if a, errno := s.ep.Remote(); errno == 0 {
		s.remote = a
	}
}

// shutdown runs on the surrogate, so that bytes still on their way are not
// overtaken: T's write half natively, its read half from our end.
func (s *stream) shutdown(c trap.Call, how int32) trap.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case listening:
		return trap.Fail(s.stopListeningLocked(how))
	case connecting:
		s.endLocked(0, true)
		return trap.Done(0)
	case connected:
		return s.shutConnectedLocked(c, how)
	case over:
		// Shut down already; Linux says so only when the peer has closed too.
		if s.lingersLocked() {
			return trap.Done(0)
		}
		s.shutFresh = s.shutFresh || s.wornLocked() && how != unix.SHUT_WR
		s.disconnecting = s.disconnecting || s.wornLocked() && !s.reported
		return trap.Fail(unix.ENOTCONN)
	default:
		s.shutFresh = s.shutFresh || how != unix.SHUT_WR
		s.disconnecting = s.disconnecting || s.untold
		return trap.Fail(unix.ENOTCONN)
	}
}

// shutConnectedLocked is shutdown(2) of a connection.
func (s *stream) shutConnectedLocked(c trap.Call, how int32) trap.Verdict {
	s.reported = true // SS_CONNECTED
	if how != unix.SHUT_WR {
		if s.readOver = true; s.writeOver {
			s.finishLocked()
			return trap.Done(0)
		}
		s.sur.CloseWrite()
	}
	if how == unix.SHUT_RD {
		return trap.Done(0)
	}
	s.writeShut = true
	args := c.Args
	args[1] = unix.SHUT_WR
	await := s.finAwaiterLocked()
	return trap.RunThen(&args, func(t trap.Task, ret int64) trap.Verdict {
		await()
		return passOn(t, ret)
	})
}

// lingersLocked says that a connection that is over for the task has a peer
// still: it has when neither a reset nor both ends' FINs, acknowledged, have come
// (TCP_CLOSE for inet_getname and inet_shutdown, also in TIME_WAIT).
func (s *stream) lingersLocked() bool {
	state := s.ep.TCPState()
	return sending(state) || state == tcpFinWait2
}
