package notify

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"netbox/trap"

	"golang.org/x/sys/unix"
)

// longestNap is how long a call waits outside the task, where signals do not reach
// it: no longer than a busy processor keeps a task from its signals, too, and long
// enough for an answer from the same host or network.
const longestNap = time.Millisecond

// nap is a flight that waits for a descriptor: for a moment, or, where no loop takes
// tasks over, until it is ready or a signal comes.
type nap struct {
	t     *task
	w     *trap.Wait
	key   uint64
	file  int           // a copy of the task's descriptor, -1: Soon tells
	over  chan struct{} // closed when the nap is, nil: nobody waits for Soon
	until time.Time     // where a loop takes the task over
	timer *time.Timer   // elsewhere; nil: no limit
	begun bool          // part of the call is done: a signal ends it as a time limit does
	given bool          // the task has got a descriptor in this call
}

// sleeper polls for all naps. Its map is guarded by Engine.mu. The runtime's own poller
// waits for the epoll set: a thread that does so by itself would keep one of the
// scheduler's processors for each wait.
type sleeper struct {
	e     *Engine
	epoll int
	file  *os.File // the same
	ends  atomic.Bool
	done  chan struct{}
	naps  map[uint64]*nap
	last  uint64
	watch watch
}

func (s *sleeper) start(e *Engine) error {
	s.e, s.naps, s.done = e, map[uint64]*nap{}, make(chan struct{})
	var err error
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		err = unix.SetNonblock(s.epoll, true) // for the poller
	}
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	s.file = os.NewFile(uintptr(s.epoll), "epoll")
	go s.run()
	if e.free() {
		s.watch.start(s)
	}
	return nil
}

func (s *sleeper) stop() {
	s.watch.stop()
	s.cancelAll()
	s.ends.Store(true)
	s.file.Close()
	<-s.done
}

// cancelAll forgets the naps of tasks that were killed, and not looked at since.
func (s *sleeper) cancelAll() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	for _, z := range s.naps {
		s.cancelLocked(z)
	}
}

// run ends naps whose descriptors are ready.
func (s *sleeper) run() {
	defer close(s.done)
	conn, err := s.file.SyscallConn()
	if err == nil {
		events := make([]unix.EpollEvent, 64) // in one go
		err = conn.Read(func(epoll uintptr) bool {
			for s.wakeReady(int(epoll), events) == len(events) {
			}
			return false
		})
	}
	if !s.ends.Load() {
		s.e.log.Error("naps end by their time limit only", "err", err)
	}
}

// wakeReady ends the naps whose descriptors are ready now, as many as events holds, and
// returns how many there were.
func (s *sleeper) wakeReady(epoll int, events []unix.EpollEvent) int {
	n, err := unix.EpollWait(epoll, events, 0)
	if err != nil {
		return 0
	}
	for _, e := range events[:n] {
		s.wake(uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32, true)
	}
	return n
}

// nap waits for w's descriptor, or for who tells that it is ready: for a moment here,
// and the rest in the task, if that can be.
func (t *task) nap(w *trap.Wait) (trap.Verdict, bool) {
	file := -1
	if w.Soon == nil || t.e.free() { // Soon may miss something, and nobody would wait behind it
		var errno unix.Errno
		if file, errno = t.Borrow(w.FD); errno != 0 {
			return trap.Fail(errno), true
		}
	}
	t.letGo()
	e := t.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if !t.livesLocked() {
		closeFile(file)
		return trap.Verdict{}, false
	}
	z := &nap{t: t, w: w, file: file, begun: t.begun, given: t.f.given}
	t.begun = false
	if err := e.sleeper.addLocked(z); err != nil {
		closeFile(file)
		return trap.Fail(unix.ENOMEM), true
	}
	t.f.state, t.f.nap = napping, z
	e.stats.naps.Add(1)
	return trap.Verdict{}, false
}

func (s *sleeper) addLocked(z *nap) error {
	s.last++
	z.key = s.last
	if z.file < 0 {
		z.over = make(chan struct{})
		s.e.wg.Add(1) // await
		go s.await(z)
	} else {
		event := unix.EpollEvent{Events: uint32(uint16(z.w.Events)) | unix.EPOLLONESHOT, Fd: int32(uint32(z.key)), Pad: int32(z.key >> 32)}
		if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, z.file, &event); err != nil {
			return err
		}
	}
	s.naps[z.key] = z
	limit := z.limit()
	switch {
	case !s.e.free():
		z.until = time.Now().Add(limit)
		s.e.clock.move()
	case limit >= 0:
		z.timer = time.AfterFunc(limit, func() { s.wake(z.key, false) })
	}
	s.watch.added()
	return nil
}

// await goes on with a call when it is told that it can.
func (s *sleeper) await(z *nap) {
	defer s.e.wg.Done()
	select {
	case <-z.w.Soon:
		if s.take(z.key) != nil {
			z.t.apply(z.next(true))
		}
	case <-z.over:
	}
}

// endOverdue goes on with calls whose naps were long enough. False: there are no
// naps that it ends.
func (s *sleeper) endOverdue(now time.Time) bool {
	if s.e.free() {
		return false
	}
	var due []uint64
	s.e.mu.Lock()
	some := len(s.naps) > 0
	for key, z := range s.naps {
		if !now.Before(z.until) {
			due = append(due, key)
		}
	}
	s.e.mu.Unlock()
	for _, key := range due {
		s.wake(key, false)
	}
	return some
}

// limit is the nap's; negative: none.
func (z *nap) limit() time.Duration {
	switch {
	case z.t.e.free():
		return z.w.Timeout
	case z.w.Timeout >= 0:
		return min(longestNap, z.w.Timeout)
	}
	return longestNap
}

// cancelLocked forgets a nap.
func (s *sleeper) cancelLocked(z *nap) {
	delete(s.naps, z.key)
	if z.timer != nil {
		z.timer.Stop()
	}
	if z.over != nil {
		close(z.over)
		return
	}
	// The file is the task's, too: closing this copy alone would leave it polled.
	unix.EpollCtl(s.epoll, unix.EPOLL_CTL_DEL, z.file, nil)
	unix.Close(z.file)
}

// wake goes on with a call whose descriptor is ready, or whose nap was long enough.
func (s *sleeper) wake(key uint64, ready bool) {
	s.end(key, func(z *nap) trap.Verdict { return z.next(ready) })
}

// end goes on with a call that naps, if it still does.
func (s *sleeper) end(key uint64, next func(z *nap) trap.Verdict) {
	s.e.mu.Lock()
	z := s.takeLocked(key)
	if z != nil {
		s.e.wg.Add(1) // the rest of the call
	}
	s.e.mu.Unlock()
	if z == nil {
		return
	}
	go func() {
		defer s.e.wg.Done()
		z.t.apply(next(z))
	}()
}

// take ends a nap: the call is the caller's to go on with. Nil: it was over.
func (s *sleeper) take(key uint64) *nap {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return s.takeLocked(key)
}

func (s *sleeper) takeLocked(key uint64) *nap {
	z := s.naps[key]
	if z != nil {
		s.cancelLocked(z)
		z.t.f.state, z.t.f.nap = handling, nil
	}
	return z
}

// next is the verdict after the nap.
func (z *nap) next(ready bool) trap.Verdict {
	if ready || z.t.e.free() || z.w.Timeout >= 0 && z.w.Timeout <= longestNap {
		return z.w.Again(z.t, ready)
	}
	z.t.rested = true
	left := *z.w
	if left.Timeout >= 0 {
		left.Timeout -= longestNap
	}
	return left.Verdict()
}
