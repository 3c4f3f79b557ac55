package ptrace

import (
	"time"

	"netbox/trap"
	"netbox/trap/debt"
)

// soonLimit is how long the loop waits for what a verdict says will be there soon. A host
// nearby answers within 50 µs, and where others have the processor within some hundred; the
// two stops of a wait in the kernel cost as much. All other tasks, and this one's
// signals, wait as long.
const soonLimit = time.Millisecond

// soonDebt is how long the loop may have waited in vain before it waits no more.
const soonDebt = 2 * soonLimit

// soon bounds what the loop waits in vain.
type soon struct {
	debt debt.Debt
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
	if _, ok := s.debt.Left(begin, soonDebt, 0); !ok {
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
		s.debt.Add(time.Since(begin))
		return false
	}
}
