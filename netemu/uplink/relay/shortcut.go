package relay

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// Ends are the addresses of a flow, as the sandbox sees them.
type Ends struct{ Local, Remote netip.AddrPort }

// Shortcuts are the fast path through an uplink: flows whose bytes the sandbox's
// socket may carry to and from the host socket by itself. The connection in the
// stacks stays, without bytes: it has the addresses, the states and both ends'
// FIN or RST, which TCP hands on as ever.
//
// An uplink offers a flow before it finishes the handshake, and the socket takes
// it when it sees the end of that, or never: a program that makes its packets
// itself has no such socket. No offer is made, and none can be taken, while
// somebody observes packets; what was taken stays so.
//
// A nil *Shortcuts has none.
type Shortcuts struct {
	mu        sync.Mutex // before a Shortcut's
	offers    map[Ends]*Shortcut
	observers atomic.Int32 // written with mu locked

	taken, withdrawn atomic.Uint64
}

// Observe says that somebody looks at packets from now on, or no longer does.
func (t *Shortcuts) Observe(on bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if on {
		t.observers.Add(1)
	} else {
		t.observers.Add(-1)
	}
}

// Open says whether bytes may go past the stacks: nobody observes packets.
func (t *Shortcuts) Open() bool { return t != nil && t.observers.Load() == 0 }

// Offer offers a flow to the socket at ends.Local; nil if there is to be none.
func (t *Shortcuts) Offer(ends Ends, host Host) *Shortcut {
	if t == nil {
		return nil
	}
	raw, err := host.SyscallConn()
	if err != nil { // closed already: the relay will see it
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.Open() {
		return nil
	}
	s := &Shortcut{table: t, ends: ends, host: host, raw: raw, reader: newHostReader(raw)}
	if t.offers == nil {
		t.offers = make(map[Ends]*Shortcut)
	}
	t.offers[ends] = s
	return s
}

// Take takes the flow that is offered to ends; nil if there is none. Who takes it
// must call Release.
func (t *Shortcuts) Take(ends Ends) *Shortcut {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.offers[ends]
	if s == nil || !t.Open() {
		return nil
	}
	delete(t.offers, ends)
	t.taken.Add(1)
	s.taken.Store(true)
	s.stopLate()
	return s
}

// Counts is how many flows were taken, and how many offered in vain.
func (t *Shortcuts) Counts() (taken, withdrawn uint64) { return t.taken.Load(), t.withdrawn.Load() }

// Shortcut is a flow that was offered. Who took it carries from the host with one
// goroutine and writes with another one.
type Shortcut struct {
	table *Shortcuts
	ends  Ends
	host  Host
	raw   syscall.RawConn

	reader   *hostReader
	taken    atomic.Bool
	stopped  atomic.Bool  // Stop
	finished atomic.Bool  // our FIN is being sent
	in, out  atomic.Int64 // bytes

	mu sync.Mutex // a leaf
	// flow is the relay, nil: it does not run yet. over says that Release or Withdraw
	// has been called, rest and err are what Release was given.
	flow *flow
	late *time.Timer // withdraws the offer, nil before the relay runs
	over bool
	rest []byte
	err  error
}

// offerLife is how long an offer stands. A socket takes its flow some
// microseconds after the handshake; one that is later than that, on a machine
// that is very busy, goes on by packets.
const offerLife = time.Second

// Taken says whether somebody has taken it.
func (s *Shortcut) Taken() bool { return s != nil && s.taken.Load() }

// Withdraw ends an offer that nobody has taken.
func (s *Shortcut) Withdraw() {
	if s == nil || s.Taken() || !s.table.withdraw(s) {
		return
	}
	s.stopLate()
	noDelay(s.host)
	s.handBack(nil, nil)
}

func (t *Shortcuts) withdraw(s *Shortcut) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.offers[s.ends] != s {
		return false
	}
	delete(t.offers, s.ends)
	t.withdrawn.Add(1)
	return true
}

// handBack has the relay carry the inward direction from here on.
func (s *Shortcut) handBack(rest []byte, err error) {
	s.mu.Lock()
	s.over, s.rest, s.err = true, rest, err
	f := s.flow
	s.mu.Unlock()
	if f != nil {
		f.takeOver()
	}
}

// relayed notes the relay; over says that the inward direction is its to carry. The
// offer stands for offerLife from now on.
func (s *Shortcut) relayed(f *flow) (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flow = f
	if !s.over && !s.Taken() {
		s.late = time.AfterFunc(offerLife, s.Withdraw)
	}
	return s.over
}

func (s *Shortcut) stopLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late != nil {
		s.late.Stop()
	}
}

// Stop ends a Carry under way, and those to come, with [ErrStopped], and wakes
// WaitWritable. It is for a sandbox's end that is closed: its FIN or reset is on the
// way.
func (s *Shortcut) Stop() {
	s.stopped.Store(true)
	// An error means that the connection is over already.
	_ = s.host.SetDeadline(time.Now())
}

// ErrStopped ends [Shortcut.Carry] after Stop.
var ErrStopped = errors.New("shortcut stopped")

// read returns what came from the host, in reader's buffer. The stream's end is
// io.EOF.
func (s *Shortcut) read() ([]byte, error) {
	for {
		if s.stopped.Load() {
			return nil, ErrStopped
		}
		p, err := s.reader.read()
		switch {
		case err == nil:
			s.in.Add(int64(len(p)))
			return p, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Stop, or the relay, to wake its own reader.
			_ = s.host.SetReadDeadline(time.Time{})
			continue
		case errors.Is(err, io.EOF):
			err = s.endOfRead()
		}
		return nil, err
	}
}

// endOfRead is io.EOF, or the reset that reads like one.
func (s *Shortcut) endOfRead() error {
	if s.broken() {
		return unix.ECONNRESET
	}
	return io.EOF
}

// broken says whether what reads as an end is a reset: the kernel tells it once,
// and a write may have had it. The peer's FIN leaves a state of its own, unless
// ours has gone too; a reset behind the FIN leaves an error.
func (s *Shortcut) broken() (broken bool) {
	if s.finished.Load() {
		return false
	}
	const tcpClose = 7 // TCP_CLOSE (<net/tcp_states.h>)
	cerr := s.raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO)
		broken = err == nil && info.State == tcpClose && !hasError(fd)
	})
	return broken && cerr == nil
}

// Write hands p to the host without waiting. EAGAIN: there is no room.
func (s *Shortcut) Write(p []byte) (n int, err error) {
	cerr := s.raw.Control(func(fd uintptr) {
		n, err = quick.Send(int(fd), p)
	})
	if cerr != nil {
		return 0, cerr
	}
	s.out.Add(int64(n))
	return n, err
}

// WaitWritable waits until the host takes bytes again or the connection has
// broken, but for limit at most: then it is os.ErrDeadlineExceeded.
func (s *Shortcut) WaitWritable(limit time.Duration) error {
	_ = s.host.SetWriteDeadline(time.Now().Add(limit)) // fails only once closed
	return s.raw.Write(func(fd uintptr) bool {
		return quick.Poll(int(fd), unix.POLLOUT) != 0
	})
}

// Set sets an option of the host socket, as far as the host grants it.
func (s *Shortcut) Set(level, name int, value []byte) {
	_ = s.raw.Control(func(fd uintptr) { _ = unix.SetsockoptString(int(fd), level, name, string(value)) })
}

// Queued is how many bytes wait in the host's kernel: to be read, and to be
// acknowledged by the peer.
func (s *Shortcut) Queued() (in, out int) {
	_ = s.raw.Control(func(fd uintptr) {
		in, _ = quick.Queue(int(fd), unix.SIOCINQ)
		out, _ = quick.Queue(int(fd), unix.SIOCOUTQ)
	})
	return in, out
}

// Release gives the inward direction back to the relay, with what Carry returned:
// without an end that it knows of, the host's bytes go on by packets. Writing may
// go on.
func (s *Shortcut) Release(rest []byte, err error) { s.handBack(rest, err) }
