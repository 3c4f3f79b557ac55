package netemu

import (
	"runtime"
	"time"

	"netbox/trap/debt"
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

// promptDebt is how long calls may have waited in vain before they wait no more: a
// client's pool that meets a busy listener keeps the engine for less than a person
// notices.
const promptDebt = 2 * promptLimit

// prompt bounds what calls wait on the engine's thread in vain.
type prompt struct{ debt.Debt }

// await waits until done, as long as such waits are worth it. What a nap takes
// beyond twice its length others had.
func (p *prompt) await(done func() bool) {
	begin := time.Now()
	limit := p.limit(begin)
	ours := time.Duration(0) // of the time since begin
	for last := begin; !done() && limit > 0; {
		switch {
		case ours > limit || last.Sub(begin) > promptMost:
			p.Add(max(limit, last.Sub(begin)))
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
	left, _ := p.Left(now, promptDebt, promptSpin)
	return min(promptLimit, left)
}
