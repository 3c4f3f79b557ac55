package notify

import (
	"sync/atomic"
	"time"
)

// tick is how long a call may take, and a task may nap, before the engine looks
// again. It ticks for all of them while calls come: a timer for each would be made
// and stopped, and the runtime's scheduler told of it, several times a call.
const tick = 500 * time.Microsecond

// idleTicks without a call stop the clock: it is not to keep an idle machine
// awake.
const idleTicks = 16

// clock relieves the worker whose call takes longer than relief, and ends naps.
//
// One worker at a time receives, since the kernel would wake several in turns, and
// each finds its thread cold: with four, a call was seen to take three times as long.
type clock struct {
	e     *Engine
	calls atomic.Uint64 // begun so far
	busy  atomic.Uint64 // the call that the receiving worker handles, 0: none
	stops atomic.Bool   // the clock has stopped
	wake  chan struct{}
	quit  chan struct{}
	done  chan struct{}

	// Of the last look, and its own: how many calls there had been, which one the
	// worker had, and for how many ticks.
	last, held uint64
	ticks      int
}

// relief is how many ticks a worker is given for a call before another receives.
const relief = 2

func (c *clock) start(e *Engine) {
	c.e, c.wake, c.quit, c.done = e, make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go c.run()
}

func (c *clock) stop() {
	close(c.quit)
	<-c.done
}

// begin enters a call of the receiving worker.
func (c *clock) begin() uint64 {
	call := c.calls.Add(1)
	c.busy.Store(call)
	c.move()
	return call
}

// end leaves it; false if another worker receives by now.
func (c *clock) end(call uint64) bool { return c.busy.CompareAndSwap(call, 0) }

// move has the clock tick.
func (c *clock) move() {
	if c.stops.Load() && c.stops.CompareAndSwap(true, false) {
		c.wake <- struct{}{}
	}
}

func (c *clock) run() {
	defer close(c.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for idle := 0; ; {
		select {
		case <-c.quit:
			return
		case <-c.wake:
			ticker.Reset(tick)
			idle = 0
		case <-ticker.C:
			if idle++; c.look() {
				idle = 0
			}
			if idle == idleTicks {
				c.stops.Store(true)
				if !c.look() || !c.stops.CompareAndSwap(true, false) {
					ticker.Stop()
				}
				idle = 0
			}
		}
	}
}

// look relieves the receiving worker and ends naps, if it is time. False: there was
// nothing to do since the last look.
func (c *clock) look() bool {
	calls, call := c.calls.Load(), c.busy.Load()
	some := c.e.sleeper.endOverdue(time.Now()) || call != 0 || calls != c.last
	c.last = calls
	if call == 0 || call != c.held {
		c.held, c.ticks = call, 0
		return some
	}
	if c.ticks++; c.ticks == relief && c.busy.CompareAndSwap(call, 0) {
		c.e.turn <- struct{}{}
	}
	return some
}
