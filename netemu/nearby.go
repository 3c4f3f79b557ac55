package netemu

import (
	"sync"
	"time"
)

// nearbyLimit is how long a blocking connect(2) waits, in its handler, for an answer
// from outside the sandbox, before its surrogate shows a handshake under way. The
// host's own servers answer within some ten microseconds, those of its network within
// a few hundred; and what a wait on the surrogate takes besides, filler, stops and
// wake-ups, costs more than a whole connection has otherwise.
const nearbyLimit = 500 * time.Microsecond

// nearbyShare is the part of the time, one in so many, that calls may wait for hosts
// that turn out to be far away: others wait for the engine meanwhile.
const nearbyShare = 20

// nearby bounds what calls wait in vain for hosts outside.
type nearby struct {
	mu      sync.Mutex // a leaf
	again   time.Time  // when a call may wait
	skipped uint64     // calls that did not
}

// await waits until done, of which wake tells, for nearbyLimit at most.
func (n *nearby) await(wake <-chan struct{}, done func() bool) {
	begin := time.Now()
	if done() || !n.may(begin) {
		return
	}
	late := time.NewTimer(nearbyLimit)
	defer late.Stop()
	for !done() {
		select {
		case <-wake:
		case <-late.C:
			if !done() {
				n.inVain(begin, time.Now())
			}
			return
		}
	}
}

func (n *nearby) may(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Before(n.again) {
		n.skipped++
		return false
	}
	return true
}

// inVain counts a wait that brought nothing.
func (n *nearby) inVain(begin, end time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.again = end.Add(nearbyShare * end.Sub(begin))
}
