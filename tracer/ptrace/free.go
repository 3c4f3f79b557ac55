package ptrace

import (
	"errors"
	"fmt"

	"netbox/seccomp"

	"golang.org/x/sys/unix"
)

// StartParked starts a program's stub as a child of the calling thread, and lets it
// spin before its first instruction until another process takes it (SpawnFree).
func StartParked(p Program) (pid int, err error) {
	s, err := startStub(p)
	if err != nil {
		return 0, err
	}
	if err := s.park(); err != nil {
		s.kill()
		return 0, err
	}
	return s.pid, nil
}

// SpawnFree makes the parked stub pid the program, under a filter whose listener is
// the front's, and lets it go: no task of it has a tracer then, and nothing more is
// to be done by this engine. Errors are as of Spawn.
func (e *Engine) SpawnFree(pid int, p Program) error {
	s := &stub{pid: pid}
	err := s.seize()
	if err == nil {
		err = e.prepare(s, p)
	}
	if err == nil {
		err = e.release(s)
	}
	if err != nil {
		s.kill()
	}
	return err
}

// release ends the tracing of a stub that has become the program.
func (e *Engine) release(s *stub) error {
	var r regs
	if errno := r.get(s.pid); errno != 0 {
		return fmt.Errorf("registers of the program: %w", errno)
	}
	if r.foreign() {
		return errors.New("this is an " + foreignABI + " program, and only 64-bit ones can run in the box")
	}
	if errno := request(unix.PTRACE_DETACH, s.pid, 0, 0); errno != 0 && errno != unix.ESRCH {
		return fmt.Errorf("PTRACE_DETACH: %w", errno)
	}
	return nil
}

// builder is the filter's maker for the engine's kind.
func (c Config) builder() func(seccomp.Options) (seccomp.Filter, error) {
	switch {
	case c.Front == nil:
		return seccomp.Build
	case c.Free:
		return seccomp.BuildDebuggable
	}
	return seccomp.BuildNotify
}
