package notify

import (
	"fmt"
	"time"

	"netbox/trap"

	"golang.org/x/sys/unix"
)

// sleep is a flight that waits for a descriptor.
type sleep struct {
	t        *task
	w        *trap.Wait
	key      uint64
	file     int       // a copy of the task's descriptor
	deadline time.Time // zero: none
	timer    *time.Timer
}

// sleeper polls for all sleeps. Its maps are guarded by Engine.mu.
type sleeper struct {
	e      *Engine
	epoll  int
	stopFD int // eventfd(2)
	done   chan struct{}
	sleeps map[uint64]*sleep
	last   uint64
}

func (s *sleeper) start(e *Engine) error {
	s.e, s.sleeps, s.done = e, map[uint64]*sleep{}, make(chan struct{})
	var err error
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if s.stopFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, s.stopFD, &unix.EpollEvent{Events: unix.EPOLLIN})
	}
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	go s.run()
	return nil
}

func (s *sleeper) stop() {
	unix.Write(s.stopFD, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-s.done
	unix.Close(s.stopFD)
	unix.Close(s.epoll)
}

// run ends sleeps whose descriptors are ready.
func (s *sleeper) run() {
	defer close(s.done)
	events := make([]unix.EpollEvent, 64) // in one go; the rest comes with the next
	for {
		n, err := unix.EpollWait(s.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			s.e.log.Error("calls that wait can't be woken", "err", err)
			return
		}
		for i := range max(n, 0) {
			key := uint64(uint32(events[i].Fd)) | uint64(uint32(events[i].Pad))<<32
			if key == 0 {
				return
			}
			s.wake(key, true)
		}
	}
}

// sleep puts the call to sleep until w's descriptor is ready.
func (t *task) sleep(w *trap.Wait) (trap.Verdict, bool) {
	file, errno := t.Borrow(w.FD)
	if errno != 0 {
		return trap.Fail(errno), true
	}
	t.letGo() // before another goroutine has the task
	e := t.e
	z := &sleep{t: t, w: w, file: file}
	e.mu.Lock()
	if e.threads[t.th.tid] != t.th || t.th.flight != t.f {
		t.f.state = over // the task is gone
		e.mu.Unlock()
		unix.Close(file)
		return trap.Verdict{}, false
	}
	if w.Timeout >= 0 {
		z.deadline = time.Now().Add(w.Timeout)
		if l := t.th.limited; l != nil && l.same(t.f) && t.th.deadline.Before(z.deadline) {
			z.deadline = t.th.deadline
		}
	}
	t.th.limited = nil
	err := e.sleeper.addLocked(z)
	if err == nil {
		t.f.state, t.f.sleep = sleeping, z
	}
	e.mu.Unlock()
	if err != nil {
		unix.Close(file)
		return trap.Fail(unix.ENOMEM), true
	}
	e.stats.sleeps.Add(1)
	e.settled.Broadcast()
	return trap.Verdict{}, false
}

func (s *sleeper) addLocked(z *sleep) error {
	s.last++
	z.key = s.last
	event := unix.EpollEvent{Events: uint32(uint16(z.w.Events)) | unix.EPOLLONESHOT, Fd: int32(uint32(z.key)), Pad: int32(z.key >> 32)}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, z.file, &event); err != nil {
		return err
	}
	s.sleeps[z.key] = z
	if !z.deadline.IsZero() {
		z.timer = time.AfterFunc(time.Until(z.deadline), func() { s.wake(z.key, false) })
	}
	return nil
}

// cancelLocked forgets a sleep.
func (s *sleeper) cancelLocked(z *sleep) {
	delete(s.sleeps, z.key)
	if z.timer != nil {
		z.timer.Stop()
	}
	// The file is the task's, too: closing this copy alone would leave it polled.
	unix.EpollCtl(s.epoll, unix.EPOLL_CTL_DEL, z.file, nil)
	unix.Close(z.file)
}

// wake goes on with a call whose descriptor is ready, or whose time has passed.
func (s *sleeper) wake(key uint64, ready bool) {
	e := s.e
	e.mu.Lock()
	z := s.sleeps[key]
	if z == nil {
		e.mu.Unlock()
		return
	}
	s.cancelLocked(z)
	z.t.f.state, z.t.f.sleep = handling, nil
	e.wg.Add(1) // the rest of the call
	e.mu.Unlock()
	go func() {
		defer e.wg.Done()
		z.t.apply(z.w.Again(z.t, ready))
	}()
}
