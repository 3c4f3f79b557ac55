package stack

import (
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Events are poll(2) bits: unix.POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP.
// netstack's bits are the same.
type Events uint16

// Readiness is poll(2) without waiting. POLLERR and POLLHUP are told whether
// asked for or not.
func (e *Endpoint) Readiness(mask Events) Events {
	m := waiter.EventMask(mask) | waiter.EventErr | waiter.EventHUp
	got := e.ep.Readiness(m)
	if e.kind == kindTCP {
		switch tcp.EndpointState(e.ep.State()) {
		case tcp.StateInitial, tcp.StateBound:
			got |= waiter.WritableEvents // tcp_poll: TCP_CLOSE is OUT|HUP
		case tcp.StateClose, tcp.StateTimeWait:
			got &^= waiter.EventErr // netstack says "anything"; no error is pending
		case tcp.StateError:
			e.mu.Lock()
			if e.failure != 0 {
				got &^= waiter.EventErr
			}
			e.mu.Unlock()
		}
		return Events(got & m)
	}
	// netstack's error bit is its own port-unreachable, see takeNetstackError.
	got &^= waiter.EventErr
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending != 0 || len(e.errQueue) > 0 {
		got |= waiter.EventErr
	}
	got |= waiter.EventMask(e.shut &^ shutWrite)
	if e.shut&shutWrite != 0 && e.shut&unix.POLLRDHUP != 0 {
		got |= waiter.EventHUp
	}
	return Events(got & m)
}

// shutWrite marks in Endpoint.shut that sending was shut down, of which poll
// tells only when receiving was as well. It is no poll bit.
const shutWrite Events = 1 << 15

// told remembers that a failed TCP connection's error was returned to the program, which
// clears POLLERR. It passes en on.
func (e *Endpoint) told(en unix.Errno) unix.Errno {
	if en != 0 && e.kind == kindTCP && tcp.EndpointState(e.ep.State()) == tcp.StateError {
		e.mu.Lock()
		defer e.mu.Unlock()
		en = e.timedOutLocked(e.refusedLocked(en))
		if e.failure == 0 {
			e.failure = en
		}
	}
	return en
}

// Failure is what a TCP connection broke with, 0 if it did not. netstack, and Linux,
// tell the error once, to whichever of a reader and a writer comes first; the
// other sees an end like that of a FIN.
func (e *Endpoint) Failure() unix.Errno {
	if e.kind != kindTCP || tcp.EndpointState(e.ep.State()) != tcp.StateError {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure == 0 {
		return unix.ECONNRESET // nobody has been told
	}
	return e.failure
}

// listener calls a function for each notification.
type listener func()

// NotifyEvent implements waiter.EventListener.
func (f listener) NotifyEvent(waiter.EventMask) { f() }

// Notify calls f whenever one of the events, an error or a hang-up may have
// come. f runs on a goroutine of netstack with locks held: it must not block
// and must not call back into e. cancel, which must not be called from f,
// returns when f does not run any more.
func (e *Endpoint) Notify(mask Events, f func()) (cancel func()) {
	var entry waiter.Entry
	entry.Init(listener(f), waiter.EventMask(mask)|waiter.EventErr|waiter.EventHUp)
	e.wq.EventRegister(&entry)
	return func() { e.wq.EventUnregister(&entry) }
}

// TakeError is getsockopt(SO_ERROR): it returns and clears the pending error.
func (e *Endpoint) TakeError() unix.Errno {
	if e.kind == kindTCP {
		en := e.told(errno(e.ep.SocketOptions().GetLastError()))
		switch e.TCPState() {
		case stateSynSent, stateSynRecv, stateClose, stateListen:
			return en
		}
		return 0 // ICMP about a live connection is a soft error, tcp_v4_err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.takePendingLocked()
}

// takePendingLocked returns and clears the pending error.
//
// Preconditions: e.mu is locked.
func (e *Endpoint) takePendingLocked() unix.Errno {
	en := e.pending
	e.pending = 0
	return en
}
