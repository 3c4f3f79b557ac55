package netemu

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/filter"
	"netbox/netemu/stack"
	"netbox/netemu/surrogate"
	"netbox/trap"
)

// datagram is a UDP, ICMP echo, raw, packet or netlink socket. What the transport
// receives goes to the surrogate on the transport's goroutine (pushNow), and what does
// not, by inbound; outbound moves what the task sends natively to the transport.
type datagram struct {
	e   *Emulator
	idn identity
	mem memo
	sur *surrogate.Datagram[arrival]
	tr  transport

	readable    chan struct{}
	done        chan struct{}
	unsubscribe func()
	// inboundOnce starts inbound, when the first datagram needs it.
	inboundOnce sync.Once

	in   inbox
	cork cork

	// filter is the program of SO_ATTACH_FILTER, nil: none.
	filter atomic.Pointer[filter.Program]

	// caller is the task that last made a trapped call on the socket, owner its
	// process; 0: none has.
	caller, owner atomic.Int32

	// pulling and sending serialise the ways from and to the transport.
	pulling, sending sync.Mutex

	mu sync.Mutex
	// soError is the pending error; raised says that the surrogate shows it.
	soError unix.Errno
	raised  bool
	// raising says that it will when process watched, 0: none, is watched.
	raising bool
	watched int
	raiser  *time.Timer
	// busyLooks counts how often raiser has found the task running.
	busyLooks int
	// rests counts how often a receive has waited since the task's last call.
	rests int
	// errors is the error queue (IP_RECVERR), the oldest first.
	errors         []queuedError
	readShut       bool
	writeShut      bool
	closed         bool
	receiveTimeout time.Duration // SO_RCVTIMEO, negative: none
	want           wanted
}

func (d *datagram) id() *identity                             { return &d.idn }
func (d *datagram) stack() *stack.Stack                       { return d.e.stack }
func (d *datagram) memo() *memo                               { return &d.mem }
func (d *datagram) endpoint() *stack.Endpoint                 { return d.tr.endpoint() }
func (d *datagram) pending() bool                             { return false }
func (d *datagram) listen(trap.Task, int32, int32) unix.Errno { return unix.EOPNOTSUPP }

func (d *datagram) bind(a abi.Sockaddr) unix.Errno {
	d.flush()
	if _, ok := d.tr.(*udp); ok {
		name, _ := d.tr.name()
		if errno := d.e.checkBind(d.idn.family, d.tr.endpoint(), name.Addr.Port() != 0, a); errno != 0 {
			return errno
		}
	}
	return d.tr.bind(a)
}

func (d *datagram) accept(trap.Task, int32, acceptRequest) trap.Verdict {
	return trap.Fail(unix.EOPNOTSUPP)
}

// newDatagram makes the socket around tr and installs its surrogate; errno is
// why there is no transport.
func (e *Emulator) newDatagram(id identity, flags int, tr transport, errno unix.Errno) trap.Verdict {
	if errno != 0 {
		return trap.Fail(errno)
	}
	d, file, errno := e.startDatagram(id, flags, tr)
	if errno != 0 {
		tr.close()
		return trap.Fail(errno)
	}
	return install(file, flags, d.close)
}

func (e *Emulator) startDatagram(id identity, flags int, tr transport) (*datagram, int, unix.Errno) {
	sur, pair, err := surrogate.NewDatagram[arrival](flags&unix.SOCK_NONBLOCK != 0)
	if err != nil {
		return nil, -1, surrogateErrno(err)
	}
	id.inode = pair.Inode
	d := &datagram{
		e: e, idn: id, sur: sur, tr: tr, receiveTimeout: -1,
		readable: make(chan struct{}, 1), done: make(chan struct{}), unsubscribe: func() {},
	}
	if p, ok := tr.(part); ok {
		p.partOf(d)
	}
	if src, ok := tr.(source); ok {
		d.unsubscribe = src.subscribe(func() {
			d.arrive()
			if !d.pushNow() {
				d.wakeInbound()
			}
		})
	}
	e.pumps.Go(d.outbound)
	e.reg.add(d)
	return d, pair.T, 0
}

func (d *datagram) connect(t trap.Task, _ int32, raw []byte) trap.Verdict {
	if d.idn.family == unix.AF_PACKET {
		return trap.Fail(unix.EOPNOTSUPP) // sock_no_connect
	}
	d.calledBy(t)
	f, errno := abi.Family(raw)
	if errno == 0 && f != unix.AF_UNSPEC {
		errno = d.autobind() // inet_dgram_connect does it first
	}
	sa, e := remoteAddress(d.idn.family, raw)
	if f == unix.AF_INET && d.idn.family == unix.AF_INET6 && e == 0 {
		if only, _ := d.tr.endpoint().GetBool(stack.V6Only); only {
			e = unix.EAFNOSUPPORT // __ip6_datagram_connect
		}
	}
	switch {
	case errno != 0:
		return trap.Fail(errno)
	case e != 0:
		return trap.Fail(e)
	case sa.Family == unix.AF_UNSPEC:
		return trap.Fail(d.tr.disconnect())
	}
	sa.Addr = d.loopbackIfMapped(sa.Addr)
	return trap.Fail(d.tr.connect(sa))
}

// autobinder is a transport that gets its port with the first attempt to send or to
// connect, successful or not (inet_send_prepare).
type autobinder interface{ autobind() unix.Errno }

func (d *datagram) autobind() unix.Errno {
	if a, ok := d.tr.(autobinder); ok {
		return a.autobind()
	}
	return 0
}

func (d *datagram) name() (abi.Sockaddr, unix.Errno) { return d.tr.name() }

// peer is getpeername(2), to which a UDP socket connected to port 0 is not
// connected (inet_getname).
func (d *datagram) peer() (abi.Sockaddr, unix.Errno) {
	sa, errno := d.tr.peer()
	if errno == 0 && isUDP(&d.idn) && sa.Addr.Port() == 0 {
		return abi.Sockaddr{}, unix.ENOTCONN
	}
	return sa, errno
}

// shutdown fails on a socket that is not connected, and is remembered all the
// same, as inet_shutdown has it: it wakes readers.
func (d *datagram) shutdown(c trap.Call, how int32) trap.Verdict {
	if d.idn.family == unix.AF_NETLINK || d.idn.family == unix.AF_PACKET {
		return trap.Fail(unix.EOPNOTSUPP)
	}
	d.flush()
	_, unconnected := d.tr.peer()
	d.mu.Lock()
	d.readShut = d.readShut || how != unix.SHUT_WR
	d.writeShut = d.writeShut || how != unix.SHUT_RD
	d.mu.Unlock()
	return trap.RunThen(nil, func(t trap.Task, ret int64) trap.Verdict {
		if unconnected != 0 {
			return trap.Fail(unix.ENOTCONN)
		}
		return passOn(t, ret)
	})
}

// wakeInbound has inbound look, which begins with the first such look.
func (d *datagram) wakeInbound() {
	d.inboundOnce.Do(func() { d.e.pumps.Go(d.inbound) })
	token(d.readable)
}

// inbound moves datagrams to the surrogate.
func (d *datagram) inbound() {
	for {
		switch d.pull() {
		case unix.EAGAIN:
			select {
			case <-d.readable:
			case <-d.done:
				return
			}
		case unix.ENOBUFS:
			if d.sur.WaitWritable() != nil {
				return
			}
		default:
			d.close()
			return
		}
	}
}

var datagramBuffers = sync.Pool{New: func() any { b := make([]byte, surrogate.MaxDatagram); return &b }}

// pull moves what is there to the surrogate. EAGAIN: all of it. ENOBUFS: the
// surrogate is full, the rest stays in the inbox. ECONNREFUSED: the surrogate is
// closed.
func (d *datagram) pull() unix.Errno {
	d.pulling.Lock()
	defer d.pulling.Unlock()
	d.arrive()
	d.takePending()
	for {
		r, errno := d.forward()
		switch errno {
		case 0:
		case unix.EPIPE: // the surrogate's reading side is shut: it is dropped
		case unix.ECONNREFUSED:
			d.closeRefusing(r)
			return errno
		default:
			return errno
		}
	}
}

// takePending shows the error that the transport has for the task.
func (d *datagram) takePending() {
	errno := d.in.takeFailed()
	if ep := d.tr.endpoint(); ep != nil && errno == 0 {
		errno = ep.TakePending()
	}
	// An error of the queue is pending too, until the queue is taken.
	if queued := d.takeQueued(); errno != 0 && !queued {
		d.fail(errno)
	}
}

// gone looks whether the surrogate is closed.
func (d *datagram) gone() bool {
	if d.sur.Alive() {
		return false
	}
	d.flush()
	d.close()
	return true
}

func (d *datagram) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.closed = true
	d.unwatchLocked()
	if d.raiser != nil {
		d.raiser.Stop()
	}
	d.unsubscribe()
	close(d.done)
	d.tr.close()
	d.in.clear()
	d.sur.Close()
	d.e.reg.remove(d)
}
