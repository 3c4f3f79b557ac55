package tracer

import "golang.org/x/sys/unix"

// terminal does the supervisor's part of job control.
type terminal struct{ signal func(unix.Signal) }

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
	unix.Kill(unix.Getpid(), unix.SIGSTOP)
	// Here the shell has sent SIGCONT, to the process group as a rule; the
	// main process may have got it or not.
	t.signal(unix.SIGCONT)
}

func hasTerminal() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}
