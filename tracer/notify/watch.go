package notify

import (
	"sync"
	"time"

	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// watch looks for signals that come to tasks that nap without a limit, where no
// loop is told of them.
//
// A task sleeps interruptibly until the first signal wakes it, finds that its call is
// being handled, and sleeps on for its answer or its death alone (kernel/seccomp.c,
// seccomp_do_user_notification): state S becomes D. So D says that a signal is
// pending which the task would have woken for, as nothing else tells it: the pending
// sets have those of the process that are other threads' to take. Only then is
// -ERESTARTSYS an answer: the kernel makes of it, behind the handler, EINTR or a
// restart; without a signal the program would see it.
type watch struct {
	s     *sleeper
	some  chan struct{} // a nap was added
	quit  chan struct{}
	ended sync.WaitGroup
}

// watchPause is between two looks: what a signal comes late. watchShare bounds what
// looking takes, of one processor, when many tasks wait.
const (
	watchPause = 5 * time.Millisecond
	watchShare = 20 // 1/20
)

func (w *watch) start(s *sleeper) {
	w.s, w.some, w.quit = s, make(chan struct{}, 1), make(chan struct{})
	w.ended.Add(1) // run
	go w.run()
}

func (w *watch) stop() {
	if w.s != nil {
		close(w.quit)
		w.ended.Wait()
	}
}

func (w *watch) added() {
	select {
	case w.some <- struct{}{}:
	default: // known, or nobody watches
	}
}

func (w *watch) run() {
	defer w.ended.Done()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-w.some:
		}
		for n := 1; n > 0; {
			select {
			case <-w.quit:
				return
			case <-pause.C:
			}
			begin := time.Now()
			n = w.look()
			pause.Reset(max(watchPause, watchShare*time.Since(begin)))
		}
	}
}

// look ends the naps of tasks that were killed or have a signal, and returns how many
// there were.
func (w *watch) look() int {
	w.s.e.mu.Lock()
	naps := make([]*nap, 0, len(w.s.naps))
	for _, z := range w.s.naps {
		naps = append(naps, z)
	}
	w.s.e.mu.Unlock()
	for _, z := range naps {
		state, there := proc.ReadStat(z.t.th.tid)
		switch {
		case !z.t.e.listener.waits(z.t.f.id): // looked at last: that was the task's own state
			w.s.end(z.key, func(*nap) trap.Verdict { return trap.Fail(unix.ESRCH) })
		case there && state.State == 'D' && (!z.given || proc.Pending(z.t.th.tid)):
			// Who has got a descriptor sleeps on in D, signal or not.
			w.s.end(z.key, (*nap).interrupted)
		}
	}
	return len(naps)
}

// interrupted is the verdict when a signal ends the nap.
func (z *nap) interrupted() trap.Verdict {
	t := z.t
	switch {
	case z.begun:
		return z.w.Again(t, false)
	case z.w.Timeout >= 0, t.f.given: // socket(7): SO_RCVTIMEO; and where it is not certain whose signal it is
		return trap.Fail(unix.EINTR)
	}
	t.e.stats.restarted.Add(1)
	return trap.Done(-eRestartSys)
}
