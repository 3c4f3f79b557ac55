// Package relay carries a TCP connection over the border between a host socket
// and a stack of ours: bytes, half-closes and resets, each way.
//
//	sandbox ⇄ box (a connection of our stack) ⇄ host (a kernel socket) ⇄ peer
//
// Two pumps run, one a direction: outward (box to host) and inward. The inward one of
// a flow that is offered (see [Shortcuts]) begins when it has come back, and on the
// outward one's goroutine if that has ended by then, or soon will. The end of
// one direction is handed on as a FIN (shutdown(2), SHUT_WR) and the other goes
// on. Whatever error a side shows is an end that the other side must not take
// for an orderly one, and becomes a reset there: SO_LINGER with zero on the
// host socket, Abort on the box.
//
// A reset of the box ends a flow although the host's peer does not read: what is
// queued for it in this process is lost, as in the queue of a socket that is
// reset. What the peer can take at once it still gets.
//
// # No stranded flow
//
// A half-closed flow can wait for ever on a side that is gone and has nothing
// to say.
//   - Host closed, then reset: after its FIN the socket's errors are still
//     watched through the poller.
//   - Box closed, host silent: the program may have gone altogether, and our
//     stack would learn it only from the next byte it sent. So a flow whose box
//     side has ended lives for [HalfClosedIdle] without a byte, then is reset.
//   - Peers that vanish from the real network without a word are no case of
//     ours: the program would wait too, and a NAT adds no keepalive that nobody
//     asked for.
//
// Ownership: TCP owns both connections from the call on and closes them.
package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// HalfClosedIdle is how long a flow whose box side has ended may be silent.
// Linux's conntrack, behind which such flows usually live, allows 60 s
// (nf_conntrack_tcp_timeout_close_wait), but it may forget a flow and let the
// endpoints find out; we would reset a request that a slow server still works
// on. Half an hour is longer than HTTP servers and proxies let a request take.
const HalfClosedIdle = 30 * time.Minute

// Conn is a TCP connection of one of our stacks.
type Conn interface {
	net.Conn
	CloseWrite() error // FIN
	Abort()            // RST
	// OnReset calls f, from any goroutine, when the connection has broken,
	// until cancel is called, or a little longer.
	OnReset(f func()) (cancel func())
}

// Options changes what TCP does. The zero value is the usual.
type Options struct {
	// Outward is called when no more bytes will go to the host: the kernel
	// has them all, or a reset has lost them.
	Outward func()
	// HalfClosedIdle, if not zero, is used for the constant of that name.
	HalfClosedIdle time.Duration
	// Shortcut is the offer of this flow to the sandbox's socket, nil: none.
	Shortcut *Shortcut
	// Go runs a goroutine, or is false; nil: there is nobody who keeps them.
	Go func(func()) bool
}

// Bytes counts what a flow carried.
type Bytes struct{ Inward, Outward int64 }

type flow struct {
	host Host
	raw  syscall.RawConn
	box  Conn
	end  sync.Once // of both connections
	opts Options

	outwardEnded atomic.Bool // in order
	outwardOver  atomic.Bool
	inwardRuns   atomic.Bool

	// turn is closed when the inward pump is to run behind the outward one, inwardOver
	// when it has ended on a goroutine of its own; inward is what it carried.
	turn, inwardOver chan struct{}
	inward           int64
}

// TCP relays between host and box, and returns when both directions have ended
// or a side was reset.
func TCP(host Host, box Conn, o Options) Bytes {
	if o.HalfClosedIdle == 0 {
		o.HalfClosedIdle = HalfClosedIdle
	}
	if o.Outward == nil {
		o.Outward = func() {}
	}
	f := &flow{host: host, box: box, opts: o, turn: make(chan struct{}), inwardOver: make(chan struct{})}
	raw, err := host.SyscallConn()
	if err != nil { // only for a socket that is closed already
		f.abort()
		o.Outward()
		return Bytes{}
	}
	f.raw = raw
	defer box.OnReset(f.boxReset)()
	if s := o.Shortcut; s == nil {
		noDelay(host)
		f.spawnInward()
	} else if s.relayed(f) {
		f.takeOver()
	}
	n := f.run()
	f.end.Do(func() {
		host.Close()
		box.Close()
	})
	return n
}

// run carries both directions to their ends.
func (f *flow) run() (n Bytes) {
	n.Outward = f.pumpOutward()
	f.outwardOver.Store(true)
	f.opts.Outward()
	select {
	case <-f.turn:
		f.inward = f.pumpInward()
	case <-f.inwardOver:
	}
	n.Inward = f.inward
	if s := f.opts.Shortcut; s != nil {
		n.Inward += s.in.Load()
		n.Outward += s.out.Load()
	}
	return n
}

// noDelay is for a host socket whose bytes come by packets: what the sandbox's stack
// has sent is a segment already.
func noDelay(host Host) {
	// An error means that the connection is over already.
	_ = host.SetNoDelay(true)
}

// abort resets both sides, and so ends both pumps.
func (f *flow) abort() {
	f.end.Do(func() { Reset(f.host); f.box.Abort() })
}

// Reset closes a host connection with RST instead of FIN.
func Reset(host Host) {
	// An error here means that the connection is over already.
	_ = host.SetLinger(0)
	host.Close()
}

// pumpOutward carries box to host until the box's FIN or a reset.
func (f *flow) pumpOutward() int64 {
	var total int64
	r := newBoxReader(f.box, f.opts.Shortcut != nil)
	defer r.release()
	for {
		p, err := r.read()
		f.opts.Shortcut.Withdraw() // the packets show that it is not taken, or that it is over
		n, werr := f.writeHost(p)
		total += int64(n)
		switch {
		case werr != nil:
		case err == nil:
			continue
		case errors.Is(err, io.EOF) && f.finish() == nil:
			f.outwardEnded.Store(true)
			if f.inwardRuns.Load() {
				f.wakeInward()
			}
			return total
		}
		f.abort()
		return total
	}
}

// finish sends the host our FIN.
func (f *flow) finish() error {
	if s := f.opts.Shortcut; s != nil {
		s.finished.Store(true)
	}
	return f.host.CloseWrite()
}

// wakeInward wakes the inward pump: to the idle clock, or to its end.
func (f *flow) wakeInward() {
	// An error means that the connection is over already.
	_ = f.host.SetReadDeadline(time.Now())
}

// boxReset wakes an outward pump that waits for the host's peer to read.
func (f *flow) boxReset() {
	// An error means that the connection is over already.
	_ = f.host.SetWriteDeadline(time.Now())
}

// writeHost writes p to the host. After a reset of the box it does not wait.
func (f *flow) writeHost(p []byte) (int, error) {
	n, err := write(f.host, p)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	for n < len(p) {
		m := 0
		cerr := f.raw.Control(func(fd uintptr) { m, err = unix.Write(int(fd), p[n:]) })
		if cerr != nil || err != nil {
			return n, errors.Join(cerr, err)
		}
		n += m
	}
	return n, nil
}

// write leaves out the empty write, which is no no-op on a kernel socket: it
// reports a pending error that belongs to the read.
func write(w io.Writer, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return w.Write(p)
}
