package netlink

import (
	"math"
	"sync"

	"golang.org/x/sys/unix"

	"netbox/netemu/rtnl"
)

// Server is the kernel's side of all the netlink sockets of one host. It is
// safe for concurrent use.
type Server struct {
	host *rtnl.Host

	mu      sync.Mutex
	conns   map[*Conn]struct{}
	sockets Sockets // nil: NETLINK_SOCK_DIAG is not there
	// ports has the bound port ids.
	ports map[portID]bool
	// next is where the search for a free port id goes on.
	next uint32
}

// portID is a bound socket's name: port ids are counted by protocol.
type portID struct {
	protocol int
	id       uint32
}

// Kernel-chosen port ids. Linux takes the process id first, and where that is
// taken goes down from -4097 (netlink_autobind, net/netlink/af_netlink.c).
// The server does not know the process and takes the second way always; the
// ids wrap at the least negative number.
const (
	highestAutoPort uint32 = math.MaxUint32 - 4096
	lowestAutoPort  uint32 = 1 << 31
)

// NewServer makes a server for a host, and watches it.
func NewServer(host *rtnl.Host) *Server {
	s := &Server{host: host, conns: map[*Conn]struct{}{}, ports: map[portID]bool{}, next: highestAutoPort}
	host.Watch(s.notify)
	return s
}

// Host is the configuration that the server shows and changes.
func (s *Server) Host() *rtnl.Host { return s.host }

// ServeSockets adds NETLINK_SOCK_DIAG, which tells the sockets of source.
func (s *Server) ServeSockets(source Sockets) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets = source
}

// Open makes a netlink socket of a protocol (NETLINK_*). There are
// NETLINK_ROUTE and, once ServeSockets was called, NETLINK_SOCK_DIAG:
// EPROTONOSUPPORT, as from a kernel that was built without the others.
func (s *Server) Open(protocol int) (*Conn, unix.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if protocol != unix.NETLINK_ROUTE && (protocol != unix.NETLINK_SOCK_DIAG || s.sockets == nil) {
		return nil, unix.EPROTONOSUPPORT
	}
	c := &Conn{server: s, protocol: protocol}
	s.conns[c] = struct{}{}
	return c, 0
}

// claim reserves port id of a protocol, or a free one for 0. EADDRINUSE: taken.
func (s *Server) claim(protocol int, id uint32) (uint32, unix.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != 0 {
		if s.ports[portID{protocol, id}] {
			return 0, unix.EADDRINUSE
		}
		s.ports[portID{protocol, id}] = true
		return id, 0
	}
	// Among len(ports)+1 different numbers one is free.
	for range len(s.ports) + 1 {
		candidate := portID{protocol, s.next}
		if s.next--; s.next < lowestAutoPort {
			s.next = highestAutoPort
		}
		if !s.ports[candidate] {
			s.ports[candidate] = true
			return candidate.id, 0
		}
	}
	return 0, unix.EADDRINUSE
}

func (s *Server) release(protocol int, id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ports, portID{protocol, id})
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
