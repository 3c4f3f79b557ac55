package netemu

import (
	"runtime"
	"sync"
	"time"
)

// promptLimit is how long a call may keep the task, and the engine, for what Linux
// does before it returns and our stack soon after: connect(2) to an address of the
// sandbox's own for the handshake's outcome. On an idle machine it takes some 20 µs, which is less than the stops of a native wait; where others
// have the processor, it takes their time slices, some milliseconds. A listener
// whose backlog is full does not answer.
//
// It is time in which this process ran: while others have the processor, the stack
// that is waited for has it as little as the call. promptMost bounds that, too: a
// second, in which a process gets its turn also beside a hundred others.
const (
	promptLimit = 20 * time.Millisecond
	promptMost  = time.Second
)

// The wait spins for promptSpin, ten times what an idle machine takes, and then
// gives the processor away for promptNap at a time.
const (
	promptSpin = 200 * time.Microsecond
	promptNap  = 100 * time.Microsecond
)

const (
	// promptDebt is how long calls may have waited in vain before they wait no
	// more: a client's pool that meets a busy listener keeps the engine for less
	// than a person notices.
	promptDebt = 2 * promptLimit
	// promptShare is the part of the time, one in so many, that pays the debt back:
	// a task that connects in a loop to a listener whose backlog is full keeps the
	// engine from all others for a twentieth of the time at most.
	promptShare = 20
)

// prompt bounds what calls wait on the engine's thread in vain.
type prompt struct {
	mu      sync.Mutex // a leaf
	debt    time.Duration
	at      time.Time // when debt was right
	skipped uint64    // calls that did not wait
}

// await waits until done, as long as such waits are worth it. What a nap takes
// beyond twice its length others had.
func (p *prompt) await(done func() bool) {
	begin := time.Now()
	limit := p.limit(begin)
	ours := time.Duration(0) // of the time since begin
	for last := begin; !done() && limit > 0; {
		switch {
		case ours > limit || last.Sub(begin) > promptMost:
			p.inVain(max(limit, last.Sub(begin)))
			return
		case ours < promptSpin:
			runtime.Gosched()
		default:
			time.Sleep(promptNap)
		}
		now := time.Now()
		ours += min(now.Sub(last), 2*promptNap)
		last = now
	}
}

// limit is how long a call at time now may wait; 0: not at all.
func (p *prompt) limit(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.debt = max(p.debt-now.Sub(p.at)/promptShare, 0)
	p.at = now
	left := promptDebt - p.debt
	if left < promptSpin {
		p.skipped++
		return 0
	}
	return min(promptLimit, left)
}

// inVain counts a wait that brought nothing.
func (p *prompt) inVain(waited time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.debt += waited
}
