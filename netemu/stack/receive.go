package stack

import (
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// Receive reads one datagram of a UDP or raw endpoint into p; what does not fit
// is lost. A pending error comes first. EAGAIN when nothing has come; the zero
// Datagram after shutdown(SHUT_RD).
func (e *Endpoint) Receive(p []byte, peek bool) (Datagram, unix.Errno) {
	if e.kind == kindTCP {
		return Datagram{}, unix.EOPNOTSUPP
	}
	if en := e.TakePending(); en != 0 {
		return Datagram{}, en
	}
	d, en := e.next(p, peek)
	if en == unix.ESHUTDOWN {
		en = 0
	}
	return d, en
}

// Next is Receive but for pending errors, which it leaves, and that nothing comes
// after a shutdown. It may be called by a callback of Notify.
func (e *Endpoint) Next(p []byte) (Datagram, unix.Errno) {
	d, en := e.next(p, false)
	if en == unix.ESHUTDOWN {
		en = unix.EAGAIN
	}
	return d, en
}

// TakePending takes the pending error, 0: none.
func (e *Endpoint) TakePending() unix.Errno {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.takePendingLocked()
}

func (e *Endpoint) next(p []byte, peek bool) (Datagram, unix.Errno) {
	for {
		d, en := e.receive(p, peek)
		if en != 0 || e.isWanted(d) {
			return d, en
		}
		if peek {
			e.read(nil, tcpip.ReadOptions{})
		}
	}
}

// receive reads one datagram, wanted or not. ESHUTDOWN: none will come.
func (e *Endpoint) receive(p []byte, peek bool) (Datagram, unix.Errno) {
	res, err := e.read(p, tcpip.ReadOptions{Peek: peek, NeedRemoteAddr: true})
	switch err.(type) {
	case nil:
	case *tcpip.ErrBadBuffer: // len(p) is 0 and the datagram is not empty
	case *tcpip.ErrClosedForReceive:
		return Datagram{}, unix.ESHUTDOWN
	default:
		return Datagram{}, errno(err)
	}
	return Datagram{
		N:       res.Count,
		Size:    res.Total,
		From:    e.family.addr(res.RemoteAddr),
		Control: e.control(&res.ControlMessages),
	}, 0
}

// read reads one datagram from netstack.
func (e *Endpoint) read(p []byte, opts tcpip.ReadOptions) (tcpip.ReadResult, tcpip.Error) {
	e.reading.Lock()
	defer e.reading.Unlock()
	w := tcpip.SliceWriter(p)
	res, err := e.ep.Read(&w, opts)
	if isNetstackError(err) {
		res, err = e.ep.Read(&w, opts)
	}
	return res, err
}

// isNetstackError says whether err is the port-unreachable that netstack keeps
// for UDP endpoints. The tap has queued the same error by Linux's rules, and
// netstack forgets its own by reporting it, so the caller tries again.
func isNetstackError(err tcpip.Error) bool {
	_, ok := err.(*tcpip.ErrConnectionRefused)
	return ok
}
