package icmp

import "time"

const (
	// maxRate is the most packets a second that the helper sends. Anyone may
	// start the helper, so it must not be a better flood than what the caller
	// already has: a UDP socket sends more than this from one core without any
	// capability. And it must never be what limits a sweep: one core's
	// sendmmsg and recvmmsg reach half of it.
	maxRate = 200_000

	// maxBurst is what may leave at once after a pause: a few batches, 1 ms
	// at maxRate.
	maxBurst = maxRate / 1000
)

// pacer is a token bucket. It holds sends back; it never drops.
type pacer struct {
	credit float64
	last   int64
}

func newPacer(now int64) pacer { return pacer{credit: maxBurst, last: now} }

// allow is how many packets may be sent at now (monotonic ns).
func (p *pacer) allow(now int64) int {
	p.credit = min(maxBurst, p.credit+float64(now-p.last)*maxRate/float64(time.Second))
	p.last = now
	return int(p.credit)
}

func (p *pacer) spend(n int) { p.credit -= float64(n) }

// pause is how long to wait before allow answers at least half a batch, so
// that a paced stream still goes out in batches.
func (p *pacer) pause() time.Duration {
	return time.Duration((maxBatch/2 - p.credit) / maxRate * float64(time.Second))
}
