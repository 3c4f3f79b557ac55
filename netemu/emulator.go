// Package netemu gives the trapped system calls their meaning: sockets of the
// sandbox's own network stack, held by tasks as surrogates.
//
// A call comes in through [Emulator.Handle]: one on a socket of the host's is direct.go's;
// else the table maps its number to a handler; the handler decodes the arguments, finds the socket by the inode of
// the descriptor, copies what it needs out of the task once, and answers with
// a verdict. A descriptor that is no surrogate of ours is the kernel's
// business, but for addresses that leave the sandbox (native.go).
//
// A socket is a stream (TCP), a datagram socket (UDP, ICMP echo, raw, packet) or a
// netlink socket. It joins a surrogate, an endpoint of netemu/stack and the
// goroutines that pump between them, and owns all three: they end when the
// surrogate's last copy is closed, or the connection is over.
//
// Lock order: stream.mu or datagram.mu → listener.mu → an accepted stream's mu →
// registry.mu → the locks of surrogate and stack. udpPorts.mu comes after datagram.mu and
// before the uplink's. For packet sockets see packet_sockets.go. No lock is held across a callback into the tracer.
package netemu

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/netlink"
	"netbox/netemu/stack"
	"netbox/netemu/uplink/relay"
	"netbox/trap"
)

// Config is what an Emulator works on. All fields are required but those that
// say what they are without.
type Config struct {
	Stack   *stack.Stack
	Netlink *netlink.Server
	Log     *slog.Logger
	// AllowUnix are the paths of host AF_UNIX sockets that tasks may reach; nil: none.
	AllowUnix []string
	// YieldPort is asked to give up a service of netbox's own on a port that a
	// program wants to bind; it says whether it did. Nil: there is none.
	YieldPort func(port uint16) bool
	// UDPPortLeft is told of UDP ports that programs have left; nil: nobody is.
	UDPPortLeft func(port uint16)
	// Shortcuts are the fast path of TCP; nil: all bytes go by packets.
	Shortcuts *relay.Shortcuts
	// Borrow says that trap.Task's Borrow works here: TCP sockets then begin
	// with an idle surrogate.
	Borrow bool
	// Outside is what direct sockets may have of the outside world; nil: there are
	// no direct sockets.
	Outside Outside
	// Passed are the descriptors that the program gets from its start.
	Passed []int
}

// Emulator emulates the sockets of one sandbox. It implements trap.Handler.
type Emulator struct {
	stack   *stack.Stack
	netlink *netlink.Server
	log     *slog.Logger
	reg     registry
	names   *unixNames
	yield   func(port uint16) bool
	borrow  bool
	ledger  Ledger
	linger  lingering
	mirror  mirror
	misled  atomic.Bool // see symlink and chroot
	nearby  nearby      // waits of connect(2)
	packets packetSockets
	prompt  prompt
	short   *relay.Shortcuts
	// watcher is nil where native calls can't be corrected.
	watcher  trap.Watcher
	outside  outside
	udpPorts udpPorts
	// udpDrops counts the datagrams that inboxes had no room for.
	udpDrops atomic.Uint64

	sweepNow chan struct{}
	stop     chan struct{}
	wg       sync.WaitGroup
	// pumps are the goroutines of streams and of datagram sockets.
	pumps relay.Group
}

var _ trap.Handler = (*Emulator)(nil)

// New starts an emulator; Close ends it.
func New(c Config) *Emulator {
	e := &Emulator{
		stack: c.Stack, netlink: c.Netlink, log: c.Log,
		names: newUnixNames(c.AllowUnix), yield: c.YieldPort, borrow: c.Borrow, short: c.Shortcuts,
		sweepNow: make(chan struct{}, 1),
		stop:     make(chan struct{}),
	}
	e.udpPorts.left = c.UDPPortLeft
	e.outside.Outside, e.outside.passed = c.Outside, socketsOf(c.Passed)
	e.outside.epolls.others = c.Outside != nil && epollAmong(c.Passed)
	e.reg.init()
	e.packets.stack, e.packets.observe = c.Stack, c.Shortcuts.Observe
	e.netlink.ServeSockets(inventory{e})
	e.wg.Add(1) // sweeper
	go e.sweeper()
	return e
}

// Handle implements trap.Handler.
func (e *Emulator) Handle(t trap.Task, c trap.Call) trap.Verdict {
	if slices.Contains(polls, c.NR) {
		return e.readiness(t, c)
	}
	row, ok := syscalls[c.NR]
	if !ok {
		e.ledger.count(t, "syscall", c.NR)
		return trap.Fail(unix.ENOSYS)
	}
	if handle := directCalls[c.NR]; handle != nil && e.outside.Outside != nil {
		if d := e.findDirect(t, c.Int32(0)); d != nil {
			return handle(d, t, c)
		}
		if errno := e.unsettled(t, c); errno != 0 {
			return trap.Fail(errno)
		}
	}
	return row.handle(e, t, c)
}

// ProcessExited implements trap.Handler.
func (e *Emulator) ProcessExited(int) {
	select {
	case e.sweepNow <- struct{}{}:
	default:
	}
}

// Ledger is the record of what programs asked for in vain.
func (e *Emulator) Ledger() *Ledger { return &e.ledger }

// sweepInterval is how often datagram sockets are looked over for closed
// surrogates, which the kernel does not announce. It bounds how long a port
// may stay taken that nobody has asked for again (bind sweeps by itself).
const sweepInterval = time.Second

func (e *Emulator) sweeper() {
	defer e.wg.Done()
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-tick.C:
		case <-e.sweepNow:
		}
		e.reg.sweep()
	}
}

// Drain waits until the connections that tasks have closed have handed their
// last bytes to the far side, at most for limit: a program may exit right after
// its last write, and the kernel would still send it.
func (e *Emulator) Drain(limit time.Duration) {
	deadline := time.Now().Add(limit)
	for (e.reg.draining() || e.linger.any()) && time.Now().Before(deadline) {
		time.Sleep(drainPoll)
	}
}

// Used says whether the sandbox has ever had a socket by which something may have left
// it. Netlink sockets and direct ones are none.
func (e *Emulator) Used() bool {
	e.reg.mu.Lock()
	defer e.reg.mu.Unlock()
	return e.reg.used
}

// drainPoll is how often Drain looks: short beside a process start, long beside
// a look.
const drainPoll = 2 * time.Millisecond

// Close ends every socket and goroutine of the emulator. The tasks must be gone.
func (e *Emulator) Close() {
	close(e.stop)
	e.reg.closeAll()
	e.wg.Wait()
	e.pumps.Close()
	e.outside.epolls.close()
	if err := e.mirror.close(); err != nil {
		e.log.Warn("not removed", "err", err)
	}
}
