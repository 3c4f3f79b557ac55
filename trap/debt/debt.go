// Package debt bounds what calls are kept waiting, by the emulation or by an engine, for
// what is often there in a moment and then not at all: waits in vain are counted as a
// debt, which the time that passes pays back. A Debt has a lock, a leaf.
package debt

import (
	"sync"
	"time"
)

// Share is the part of the time, one in so many, that pays a debt back: where nothing
// ever comes, a twentieth of the time of whoever waits, and of others who wait for him,
// is lost at most.
const Share = 20

// Debt is what was waited in vain, less what has been paid back. The zero value owes
// nothing.
type Debt struct {
	mu      sync.Mutex
	owed    time.Duration
	at      time.Time // when owed was right
	skipped uint64    // waits that were refused
}

// Left is how much more may be waited at time now of a debt of at most most; false if
// that is less than least, so that it is not worth it.
func (d *Debt) Left(now time.Time, most, least time.Duration) (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owed = max(d.owed-now.Sub(d.at)/Share, 0)
	d.at = now
	if left := most - d.owed; left >= least {
		return left, true
	}
	d.skipped++
	return 0, false
}

// Add counts a wait in vain; a negative one pays back.
func (d *Debt) Add(waited time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owed = max(d.owed+waited, 0)
}

// Owed is the debt as of the last look.
func (d *Debt) Owed() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.owed
}

// Skipped is how many waits were refused.
func (d *Debt) Skipped() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.skipped
}
