package tracer

import (
	"time"

	"golang.org/x/sys/unix"
)

// slack is the timer slack (prctl(2), PR_SET_TIMERSLACK) of this process's threads, in
// nanoseconds: by so much a sleep may take longer. It is for one of them, which nobody
// else can set: while there are calls to serve, the runtime's sysmon looks around every
// 20 µs, as Linux's slack of 50 µs lets it nearly do, and takes the processor from the task
// and the threads that serve it for that: a fifth of a connection's time on one core. The
// runtime's own timers are exact to a millisecond, and lose half of one.
var slack = int64(500 * time.Microsecond)

// givenSlack is the timer slack that the process was started with, which netbox_start
// fills in likewise; 0 else.
var givenSlack int64

// giveSlackBack has the calling thread, and what it forks and executes, go by the timer
// slack that this process was started with. Linux refuses none.
func giveSlackBack() {
	if givenSlack > 0 && givenSlack < slack {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(givenSlack), 0, 0, 0)
	}
}
