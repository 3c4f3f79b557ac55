package icmp

import "time"

// started anchors the monotonic clock.
var started = time.Now()

// monotonic is a clock that never jumps, in ns; it decides about expiry and
// pace. It is never 0, which marks an unused slot.
func monotonic() int64 { return int64(time.Since(started)) + 1 }
