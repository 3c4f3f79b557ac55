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

// signals are those that came for the main process, until they are forwarded.
type signals struct {
	c chan os.Signal
	// judge asks the forwarder, which is there if forwarding is set.
	judge      chan chan struct{}
	forwarding bool
	forwarder  sync.WaitGroup
	keepTTOU   bool
}

// catchSignals keeps signals from now on: the program may be running, and have
// said so, before anybody can forward them.
func catchSignals() *signals {
	s := &signals{c: make(chan os.Signal, 16), judge: make(chan chan struct{}), keepTTOU: true}
	var wanted []os.Signal
	for _, sig := range forwarded {
		if !signal.Ignored(sig) {
			wanted = append(wanted, sig)
		}
	}
	signal.Notify(s.c, wanted...)
	return s
}

// forward passes signals on until stop is called. The supervisor itself is
// stopped by none of them, nor by writing to the terminal from the background
// (SIGTTOU), which the program must not inherit.
func (s *signals) forward(send func(unix.Signal)) {
	s.keepTTOU = signal.Ignored(unix.SIGTTOU)
	signal.Ignore(unix.SIGTTOU)
	s.forwarding = true
	s.forwarder.Add(1)
	go func() {
		defer s.forwarder.Done()
		s.forwardAll(send)
	}()
}

func (s *signals) forwardAll(send func(unix.Signal)) {
	pass := func(sig os.Signal) {
		if got := sig.(unix.Signal); !fromTerminal(got) {
			send(got)
		}
	}
	for {
		select {
		case sig, more := <-s.c:
			if !more {
				return
			}
			pass(sig)
		case judged := <-s.judge:
			for len(s.c) > 0 {
				pass(<-s.c)
			}
			close(judged)
		}
	}
}

// judgeAll returns when every signal that the process has got was passed on or not.
// The supervisor may be stopped then: when it goes on, it may be in the background,
// and a Ctrl-Z that was not looked at before would pass for one of somebody else's, and
// stop the program anew. To be called by who calls forward and stop.
func (s *signals) judgeAll() {
	if !s.forwarding {
		return
	}
	// Stop waits for what the runtime's handlers have taken.
	none := make(chan os.Signal, 1)
	signal.Notify(none, unix.SIGCONT)
	signal.Stop(none)
	judged := make(chan struct{})
	s.judge <- judged
	<-judged
}

func (s *signals) stop() {
	signal.Stop(s.c)
	close(s.c)
	s.forwarder.Wait()
	if !s.keepTTOU {
		signal.Reset(unix.SIGTTOU)
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
