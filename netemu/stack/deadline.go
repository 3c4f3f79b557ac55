package stack

import (
	"sync"
	"time"
)

// deadline is one direction's deadline of a connection: a channel that is
// closed when it is over. Like net.Conn's it also ends a call that waits
// already; moving it later then leaves that call with the earlier one, as the
// waiting side asks for the channel again after each event.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{}
}

func (d *deadline) init() { d.over = make(chan struct{}) }

// set moves the deadline; the zero time means none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fired := d.timer != nil && !d.timer.Stop()
	d.timer = nil
	select {
	case <-d.over:
		fired = true
	default:
	}
	if fired { // the channel is or will be closed
		d.over = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	over := d.over
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(over) })
	} else {
		close(over)
	}
}

// done is closed once the deadline that is set now is over.
func (d *deadline) done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}

func (d *deadline) expired() bool {
	select {
	case <-d.done():
		return true
	default:
		return false
	}
}
