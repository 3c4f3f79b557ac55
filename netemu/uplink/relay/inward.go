package relay

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"netbox/netemu/quick"
)

// takeOver is called once, when a shortcut has handed the inward direction back. A
// task that has closed its end has a FIN or a reset on its way to the outward pump.
func (f *flow) takeOver() {
	if s := f.opts.Shortcut; f.outwardOver.Load() || errors.Is(s.err, ErrStopped) && len(s.rest) == 0 {
		close(f.turn)
		return
	}
	f.spawnInward()
}

// spawnInward runs the inward pump on a goroutine of its own, which run joins.
func (f *flow) spawnInward() {
	inward := func() {
		f.inward = f.pumpInward()
		close(f.inwardOver)
	}
	if f.opts.Go == nil || !f.opts.Go(inward) {
		go inward()
	}
}

// pumpInward carries host to box until the host's FIN or a reset, and stays to
// watch a half-closed host socket.
func (f *flow) pumpInward() int64 {
	var total int64
	var idle idleClock
	r, p, err := f.startInward()
	for ; ; p, err = r.read() {
		n, werr := write(f.box, p)
		r.release()
		total += int64(n)
		switch {
		case werr != nil:
		case err == nil:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded) && idle.runs(total, f.opts.HalfClosedIdle):
			f.host.SetReadDeadline(idle.until)
			continue
		case errors.Is(err, io.EOF) && f.box.CloseWrite() == nil:
			if f.awaitOutward() {
				return total
			}
		}
		f.abort()
		return total
	}
}

// startInward gives the inward pump its reader and what comes before the reader's
// first read.
func (f *flow) startInward() (r *hostReader, rest []byte, err error) {
	f.inwardRuns.Store(true)
	if f.outwardEnded.Load() {
		f.wakeInward()
	}
	s := f.opts.Shortcut
	if s == nil {
		return newHostReader(f.raw), nil, nil
	}
	s.in.Add(-int64(len(s.rest))) // it is counted here
	if err = s.err; errors.Is(err, ErrStopped) {
		err = nil
	}
	return s.reader, s.rest, err
}

// idleClock runs in a flow whose box side has ended, and whose reader is woken for it,
// by whoever comes first, or by both.
type idleClock struct {
	before int64 // the bytes that had come when until was set
	until  time.Time
}

// runs says whether the flow goes on, until c.until at least: it has begun a moment
// ago, something has come, or limit is not over.
func (c *idleClock) runs(total int64, limit time.Duration) bool {
	now := time.Now()
	if c.until.IsZero() || total != c.before {
		c.before, c.until = total, now.Add(limit)
	}
	return now.Before(c.until)
}

// awaitOutward waits, after the host's FIN, for the end of the outward pump;
// false means that the host socket was reset before.
func (f *flow) awaitOutward() bool {
	for !f.outwardEnded.Load() {
		err := f.raw.Read(hasError)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return f.outwardEnded.Load()
		}
		// An error means that the connection is over already.
		_ = f.host.SetReadDeadline(time.Time{})
	}
	return true
}

// hasError says whether a socket has a pending error, without taking it.
func hasError(fd uintptr) bool {
	return quick.Poll(int(fd), 0)&unix.POLLERR != 0
}
