package netemu

import (
	"maps"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
	"netbox/trap"
)

// socket is what every kind of emulated socket answers. Handlers have copied
// and checked the arguments; fd is the task's descriptor, for verdicts.
type socket interface {
	id() *identity
	bind(sa abi.Sockaddr) unix.Errno
	// connect gets the address undecoded: what is checked first depends on the
	// kind.
	connect(t trap.Task, fd int32, raw []byte) trap.Verdict
	listen(t trap.Task, fd int32, backlog int32) unix.Errno
	accept(t trap.Task, fd int32, q acceptRequest) trap.Verdict
	shutdown(c trap.Call, how int32) trap.Verdict
	name() (abi.Sockaddr, unix.Errno)
	peer() (abi.Sockaddr, unix.Errno)
	// sendto and sendmsg, recvfrom and recvmsg get the call as it was made:
	// what they need of it depends on the kind.
	send(t trap.Task, c trap.Call) trap.Verdict
	receive(t trap.Task, c trap.Call) trap.Verdict
	// takeError is SO_ERROR; shown says that the surrogate still had an error.
	takeError(shown bool) unix.Errno
	// endpoint is the netstack endpoint for options, nil if there is none.
	endpoint() *stack.Endpoint
	// stack is the stack that the socket lives on.
	stack() *stack.Stack
	// memo keeps options that are only told back.
	memo() *memo
	// gone says that the surrogate's last copy is closed, and ends the socket
	// if so.
	gone() bool
	// pending says that bytes of a closed surrogate are still on their way.
	pending() bool
	close()
}

// identity is what socket(2) fixed.
type identity struct {
	family, typ, protocol int
	inode                 uint64
}

func (i *identity) isRaw() bool {
	return i.family != unix.AF_NETLINK && (i.typ == unix.SOCK_RAW || i.family == unix.AF_PACKET)
}

// maxTombstones bounds how many ended connections are remembered whose
// surrogates may still be open: enough for getsockname(2) and SO_ERROR after
// the end on every descriptor of a busy server, at some 500 bytes each.
const maxTombstones = 1024

// sweepEvery is the number of sockets without announcement made after which the dead ones
// are looked for at once; where there are many it is half as many as there are, so that a
// socket costs the same whatever their number.
const sweepEvery = 64

// registry finds sockets by the inode of their surrogate. Sockets whose
// supervisor's end is closed stay as tombstones, the oldest forgotten first.
type registry struct {
	mu      sync.Mutex
	byInode map[uint64]socket
	// loose are those that sweep looks at: all but TCP connections, of which there
	// may be thousands, and tombstones.
	loose       map[socket]struct{}
	listeners   map[*stream]struct{}
	connections connections
	tombstones  []uint64
	unswept     int
	// used says that there has been a socket of the stack's.
	used bool
	// raw counts raw and packet sockets.
	raw int
}

func (r *registry) init() {
	r.byInode = make(map[uint64]socket)
	r.loose = make(map[socket]struct{})
	r.listeners = make(map[*stream]struct{})
	r.connections.init()
}

// listening notes that s listens, or no longer does.
func (r *registry) listening(s *stream, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on {
		r.listeners[s] = struct{}{}
	} else {
		delete(r.listeners, s)
	}
}

// reapListeners ends the listeners whose surrogates were closed a moment ago,
// so that a connect right after is refused, as on Linux.
func (r *registry) reapListeners() {
	r.mu.Lock()
	all := slices.Collect(maps.Keys(r.listeners))
	r.mu.Unlock()
	for _, s := range all {
		s.gone()
	}
}

// add enters a socket that nobody else has yet.
func (r *registry) add(s socket) {
	r.mu.Lock()
	r.byInode[s.id().inode] = s
	r.used = r.used || s.id().family != unix.AF_NETLINK
	if s.id().isRaw() {
		r.raw++
	}
	if st, ok := s.(*stream); !ok || st.state != connected {
		r.loose[s] = struct{}{}
	}
	sweep := false
	if !announced(s) {
		r.unswept++
		if sweep = r.unswept >= max(sweepEvery, len(r.loose)/2); sweep {
			r.unswept = 0
		}
	}
	r.mu.Unlock()
	if sweep {
		r.sweep()
	}
}

// announced says that the kernel announces the end of a socket's surrogate: it
// does so for all but datagram sockets and idle streams.
func announced(s socket) bool {
	switch s := s.(type) {
	case *datagram:
		return false
	case *stream:
		return !s.idle
	}
	return true
}

// connected notes that s has a connection now, whose end it sees by itself.
func (r *registry) connected(s *stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.loose, s)
}

func (r *registry) get(inode uint64) socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byInode[inode]
}

func (r *registry) remove(s socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, in := r.loose[s]; in && s.id().isRaw() {
		r.raw--
	}
	delete(r.loose, s)
	if r.byInode[s.id().inode] == s {
		delete(r.byInode, s.id().inode)
	}
}

func (r *registry) hasRaw() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.raw > 0
}

// bury keeps s as a tombstone.
func (r *registry) bury(s socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.loose, s)
	if r.byInode[s.id().inode] != s {
		return
	}
	r.tombstones = append(r.tombstones, s.id().inode)
	if len(r.tombstones) > maxTombstones {
		delete(r.byInode, r.tombstones[0])
		r.tombstones = r.tombstones[1:]
	}
}

func (r *registry) all() []socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.byInode))
}

// sweep ends the sockets without a connection whose surrogates are closed.
func (r *registry) sweep() {
	r.mu.Lock()
	loose := slices.Collect(maps.Keys(r.loose))
	r.mu.Unlock()
	for _, s := range loose {
		s.gone()
	}
}

func (r *registry) draining() bool {
	for _, s := range r.all() {
		if s.pending() {
			return true
		}
	}
	return false
}

func (r *registry) closeAll() {
	for _, s := range r.all() {
		s.close()
	}
}

// find returns the socket behind fd; nil if it is none of ours: then the call is
// the kernel's, which also says what is wrong with fd.
func (e *Emulator) find(t trap.Task, fd int32) socket {
	inode, errno := t.Inode(fd)
	if errno != 0 {
		return nil
	}
	return e.reg.get(inode)
}
