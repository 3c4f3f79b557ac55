package netemu

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// inet is what the transports over a netstack endpoint share.
type inet struct {
	family int
	ep     *stack.Endpoint
}

func (t inet) bind(sa abi.Sockaddr) unix.Errno    { return t.ep.Bind(stackAddr(sa)) }
func (t inet) connect(sa abi.Sockaddr) unix.Errno { return t.ep.Connect(stackAddr(sa)) }
func (t inet) disconnect() unix.Errno             { return t.ep.Disconnect() }
func (t inet) endpoint() *stack.Endpoint          { return t.ep }
func (t inet) close()                             { t.ep.Close() }

// subscribe implements source.
func (t inet) subscribe(f func()) (cancel func()) {
	return t.ep.Notify(unix.POLLIN|unix.POLLERR|unix.POLLHUP, f)
}

func (t inet) queuedError() (stack.QueuedError, bool) { return t.ep.TakeQueuedError() }

func (t inet) name() (abi.Sockaddr, unix.Errno) {
	a, errno := t.ep.Local()
	if errno != 0 {
		a = stack.Addr{}
	}
	return sockaddr(t.family, a), 0
}

func (t inet) peer() (abi.Sockaddr, unix.Errno) {
	a, errno := t.ep.Remote()
	if errno != 0 {
		return abi.Sockaddr{}, unix.ENOTCONN
	}
	return sockaddr(t.family, a), 0
}

// udp is a UDP socket's transport.
type udp struct {
	inet

	mu sync.Mutex
	// named says that bind(2) chose the port; released that the port was the
	// stack's choice and the association is dissolved: udp_disconnect gives it
	// up then. Netstack keeps it, unseen, until the socket is used again.
	named, released bool
	// host is the address that bind(2) was given, which stays.
	host netip.Addr
	// port is the one that filters see; 0: none.
	port atomic.Uint32
	e    *Emulator
}

func (e *Emulator) newUDP(id identity, ep *stack.Endpoint) transport {
	return &udp{inet: inet{id.family, ep}, e: e}
}

func (u *udp) close() {
	u.inet.close()
	u.setPort(0)
}

func (u *udp) bind(sa abi.Sockaddr) unix.Errno {
	errno := u.inet.bind(sa)
	u.notePort()
	u.mu.Lock()
	defer u.mu.Unlock()
	if errno == 0 {
		u.named, u.released, u.host = u.named || sa.Addr.Port() != 0, false, sa.Addr.Addr()
	}
	return errno
}

func (u *udp) disconnect() unix.Errno {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.released = !u.named
	u.ep.BindScope(0) // __udp_disconnect
	return u.inet.disconnect()
}

// use ends the time in which a released port is unseen.
func (u *udp) use() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.released = false
}

// autobind gives the socket a port if it has none (inet_autobind).
func (u *udp) autobind() unix.Errno {
	u.use()
	if a, errno := u.ep.Local(); errno == 0 && a.Port() != 0 {
		return 0
	}
	if errno := u.ep.Bind(stack.Addr{}); errno != 0 {
		return unix.EAGAIN
	}
	u.notePort()
	return 0
}

func (u *udp) notePort() {
	if a, errno := u.ep.Local(); errno == 0 {
		u.setPort(a.Port())
	}
}

func (u *udp) setPort(port uint16) {
	old := uint16(u.port.Swap(uint32(port)))
	if old == port {
		return
	}
	if port != 0 {
		u.e.udpPorts.enter(port)
	}
	if old != 0 && u.e.udpPorts.leave(old) {
		u.e.portLeft(old)
	}
}

func (u *udp) name() (abi.Sockaddr, unix.Errno) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.released {
		return sockaddr(u.family, stack.Addr{AddrPort: netip.AddrPortFrom(u.host, 0)}), 0
	}
	return u.inet.name()
}

func (u *udp) send(p []byte, to *abi.Sockaddr, c *stack.SendControl) unix.Errno {
	u.use()
	_, errno := u.ep.Send(p, stackAddrOf(to), c)
	return errno
}

func (u *udp) receive(buf []byte) (int, arrival, unix.Errno) {
	d, errno := u.ep.Next(buf)
	if errno != 0 {
		return 0, arrival{}, errno
	}
	return d.N, arrival{from: sockaddr(u.family, d.From), control: d.Control}, 0
}
