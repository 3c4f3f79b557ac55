package ptrace

import (
	"time"

	"netbox/trap"
)

// soonLimit is how long the loop waits for what a verdict says will be there soon. A host
// nearby answers within 50 µs, and where others have the processor within some hundred; the
// two stops of a wait in the kernel cost as much. All other tasks, and this one's
// signals, wait as long.
const soonLimit = time.Millisecond

const (
	// soonDebt is how long the loop may have waited in vain before it waits no more.
	soonDebt = 2 * soonLimit
	// soonShare is the part of the time, one in so many, that pays the debt back: where
	// nothing comes soon, a twentieth of the loop's time is lost.
	soonShare = 20
)

// soon bounds what the loop waits in vain.
type soon struct {
	debt time.Duration
	at   time.Time // when debt was right
	// limit fires when a wait is over, nil: there was none. What it is late by is counted.
	limit *time.Timer
}

// await says whether w's descriptor is ready after a moment.
func (s *soon) await(w *trap.Wait) bool {
	select {
	case <-w.Soon:
		return true
	default:
	}
	begin := time.Now()
	s.debt = max(s.debt-begin.Sub(s.at)/soonShare, 0)
	s.at = begin
	if s.debt >= soonDebt {
		return false
	}
	if s.limit == nil {
		s.limit = time.NewTimer(soonLimit)
	} else {
		s.limit.Reset(soonLimit)
	}
	select {
	case <-w.Soon:
		s.limit.Stop()
		return true
	case <-s.limit.C:
		s.at = time.Now()
		s.debt += s.at.Sub(begin)
		return false
	}
}
