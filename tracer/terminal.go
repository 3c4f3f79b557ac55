package tracer

import (
	"netbox/tracer/proc"

	"golang.org/x/sys/unix"
)

// terminal does the supervisor's part of job control.
type terminal struct {
	signal func(unix.Signal)
	caught *signals
	// main is the main process where no tracer holds it; 0: one does, so that it
	// can't have been stopped again before stop returns.
	main int
}

// stop is called when the main process was stopped by sig. The shell that
// started netbox must see the job stopped, so the supervisor stops as well,
// and everything in the box waits until it goes on. That is done only where a
// shell with job control can be watching: without a terminal nobody might
// continue the supervisor, while a process in the box may continue the main
// one at any time.
func (t *terminal) stop(sig unix.Signal) {
	if sig == unix.SIGSTOP && !foreground() || !hasTerminal() {
		return
	}
	t.caught.judgeAll()
	before := proc.Switches(t.main)
	unix.Kill(unix.Getpid(), unix.SIGSTOP)
	// Here the shell has sent SIGCONT, to the process group as a rule; the
	// main process may have got it or not. If it has run, it has, and may be
	// stopped again by now.
	if proc.Switches(t.main) == before {
		t.signal(unix.SIGCONT)
	}
}

func hasTerminal() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}
