package netemu

import (
	"sync"
	"time"
)

const (
	// promptDebt is how long connect(2)s may have waited in vain before they wait
	// no more: a hundred times, which is a client's pool that meets a busy listener,
	// or a machine so busy that the outcomes are late.
	promptDebt = 100 * promptLimit
	// promptShare is the part of the time, one in so many, that pays the debt back:
	// a task that connects in a loop to a listener whose backlog is full keeps the
	// engine from all others for a twentieth of the time at most.
	promptShare = 20
)

// prompt bounds what connect(2)s wait on the engine's thread in vain.
type prompt struct {
	mu      sync.Mutex // a leaf
	debt    time.Duration
	at      time.Time // when debt was right
	skipped uint64    // connects that did not wait
}

// limit is how long a connect(2) at time now may wait; 0: not at all.
func (p *prompt) limit(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.debt = max(p.debt-now.Sub(p.at)/promptShare, 0)
	p.at = now
	if p.debt >= promptDebt {
		p.skipped++
		return 0
	}
	return promptLimit
}

// inVain counts a wait that brought nothing.
func (p *prompt) inVain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.debt += promptLimit
}
