package icmp

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Rungs of the ladder, as [Conn.Rung] names them.
const (
	RungHelper     = "helper"
	RungPingSocket = "ping socket"
	RungNone       = "none"
)

// ErrUnavailable says that no rung of the ladder holds. The error that wraps
// it tells why each does not, and the commands that would mend it.
var ErrUnavailable = errors.New("icmp: no way to send echo requests")

// Options of [Open]. The zero value is good.
type Options struct {
	// HelperPath is the helper's binary. Empty: $NETBOX_ICMP_HELPER, else
	// netbox-icmp beside the running program, else in $PATH.
	HelperPath string
	// Log gets the helper's restarts, and its deaths if there is no Down;
	// nil: nobody.
	Log *slog.Logger
	// Down is told each time the helper has died, with its exit status and
	// what it wrote to stderr. It is called on a goroutine of the Conn and must
	// not call Close.
	Down func(error)
}

// rung is a way to send echo requests.
type rung interface {
	name() string
	send(r *Request) unix.Errno
	close()
}

// Conn sends echo requests over the rung of the ladder that holds. Its
// methods may be called from any goroutine.
type Conn struct {
	rung     rung
	receiver atomic.Pointer[func(Reply)]
	counters counters
}

// counters are the Conn's; see [Counters].
type counters struct {
	sent, replies, queueFull, overflows, deaths atomic.Uint64
}

// Counters count from Open on.
type Counters struct {
	// Sent requests that Send took, and Replies handed to the receiver.
	Sent, Replies uint64
	// QueueFull counts requests refused with ENOBUFS.
	QueueFull uint64
	// Overflows counts packets that the kernel dropped because a receive
	// buffer was full; an earlier helper's are included.
	Overflows uint64
	// HelperDeaths counts helpers that ended without being asked to.
	HelperDeaths uint64
}

// Open takes the first rung that holds: helper, ping socket. With an error
// that wraps [ErrUnavailable] the Conn is still good for use: its Rung is
// "none", and Send answers EHOSTUNREACH.
func Open(o Options) (*Conn, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{rung: noRung{}}
	helper, helperErr := openHelper(o, c)
	if helperErr == nil {
		c.rung = helper
		return c, nil
	}
	o.Log.Debug("icmp: no helper", "err", helperErr)
	ping, pingErr := openPing(c)
	if pingErr == nil {
		c.rung = ping
		return c, nil
	}
	return c, fmt.Errorf("%w: %w; %w", ErrUnavailable, helperErr, pingErr)
}

// Rung is the name of the rung in use: "helper", "ping socket" or "none".
func (c *Conn) Rung() string { return c.rung.name() }

// Send queues a request and returns at once. EHOSTUNREACH: the helper is
// down, or there is no rung. ENOBUFS: the bounded queue is full. EINVAL,
// EACCES, EMSGSIZE: see [Request]. What goes wrong later comes as a Reply of
// kind SendFailure; on the ping socket rung, where nothing comes later, Send
// itself answers the kernel's errno.
func (c *Conn) Send(r Request) unix.Errno {
	if errno := r.validate(); errno != 0 {
		return errno
	}
	errno := c.rung.send(&r)
	switch errno {
	case 0:
		c.counters.sent.Add(1)
	case unix.ENOBUFS:
		c.counters.queueFull.Add(1)
	}
	return errno
}

// SetReceiver makes f the receiver of replies; nil discards them. f is called
// on a reader goroutine (two of them may call it at once on the ping socket
// rung) and holds further replies up until it returns. It may call Send, and
// must not call Close.
func (c *Conn) SetReceiver(f func(Reply)) {
	if f == nil {
		c.receiver.Store(nil)
		return
	}
	c.receiver.Store(&f)
}

// deliver hands r to the receiver.
func (c *Conn) deliver(r Reply) {
	c.counters.replies.Add(1)
	if f := c.receiver.Load(); f != nil {
		(*f)(r)
	}
}

// Counters answers the counts so far.
func (c *Conn) Counters() Counters {
	return Counters{
		Sent:         c.counters.sent.Load(),
		Replies:      c.counters.replies.Load(),
		QueueFull:    c.counters.queueFull.Load(),
		Overflows:    c.counters.overflows.Load(),
		HelperDeaths: c.counters.deaths.Load(),
	}
}

// Close ends the helper, if there is one, and waits for the Conn's goroutines.
// Further calls do nothing.
func (c *Conn) Close() { c.rung.close() }

// noRung is the rung of a Conn without any.
type noRung struct{}

func (noRung) name() string             { return RungNone }
func (noRung) send(*Request) unix.Errno { return unix.EHOSTUNREACH }
func (noRung) close()                   {}
