package tracer

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// forwarded are the signals for the main process when they come from another
// process. SIGINT and SIGQUIT usually come from the terminal, which sends them
// to the program as well.
var forwarded = []os.Signal{
	unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM,
	unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGCONT,
}

// forwardSignals passes signals on until stop is called. The supervisor
// itself is stopped by none of them, nor by writing to the terminal from the
// background (SIGTTOU).
func forwardSignals(send func(unix.Signal)) (stop func()) {
	c := make(chan os.Signal, 16)
	var wanted []os.Signal
	for _, sig := range forwarded {
		if !signal.Ignored(sig) {
			wanted = append(wanted, sig)
		}
	}
	signal.Notify(c, wanted...)
	keepTTOU := signal.Ignored(unix.SIGTTOU)
	signal.Ignore(unix.SIGTTOU)

	var wg sync.WaitGroup
	wg.Add(1) // the forwarder
	go func() {
		defer wg.Done()
		for sig := range c {
			if s := sig.(unix.Signal); !fromTerminal(s) {
				send(s)
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(c)
		wg.Wait()
		if !keepTTOU {
			signal.Reset(unix.SIGTTOU)
		}
	}
}

// fromTerminal guesses, as os/signal does not tell the sender, that a
// keyboard's signal was sent by the terminal to the whole process group: when
// that is the foreground one.
func fromTerminal(sig unix.Signal) bool {
	switch sig {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGCONT:
		return foreground()
	}
	return false
}

// foreground says whether this process is in the foreground of its terminal.
func foreground() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	pgrp, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && pgrp == unix.Getpgrp()
}
