package netemu

import (
	"time"

	"netbox/trap/debt"
)

// nearbyLimit is how long a blocking connect(2) waits, in its handler, for an answer
// from outside the sandbox, before its surrogate shows a handshake under way. The
// host's own servers answer within some ten microseconds, those of its network within
// a few hundred; and what a wait on the surrogate takes besides, filler, stops and
// wake-ups, costs more than a whole connection has otherwise.
const nearbyLimit = 500 * time.Microsecond

const (
	// nearbyDebt is how long calls may have waited in vain before they wait no more:
	// twenty times, which is less than a person notices.
	nearbyDebt = 20 * nearbyLimit
	// nearbyCredit is what an answer pays back. Hosts nearby are late, too, where
	// other processes have the processor.
	nearbyCredit = nearbyLimit / 4
)

// nearby bounds what calls wait in vain for hosts that turn out to be far away.
type nearby struct{ debt.Debt }

// await waits until done, of which wake tells, for nearbyLimit at most.
func (n *nearby) await(wake <-chan struct{}, done func() bool) {
	if done() || !n.may(time.Now()) {
		return
	}
	late := time.NewTimer(nearbyLimit)
	defer late.Stop()
	for !done() {
		select {
		case <-wake:
			continue
		case <-late.C:
		}
		if !done() {
			n.Add(nearbyLimit)
		}
		return
	}
	n.Add(-nearbyCredit)
}

func (n *nearby) may(now time.Time) bool {
	_, ok := n.Left(now, nearbyDebt, 0)
	return ok
}
