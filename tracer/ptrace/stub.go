package ptrace

import (
	"fmt"
	"slices"
	"syscall"

	"netbox/tracer/proc"

	"golang.org/x/sys/unix"
)

// stub is the main process before its execve(2): this program's own image,
// stopped before its first instruction and never run. Its stack holds the
// target's arguments and environment, as execve left them there; the calls
// that prepare it are injected at its entry point.
type stub struct {
	pid  int
	base regs // before the first injected call
	died bool
	ws   unix.WaitStatus
}

// startStub forks and executes this program again, traced, with the target's
// arguments and environment. Go's ForkExec gives it the signal mask,
// dispositions and RLIMIT_NOFILE that the supervisor was started with. more are
// descriptors behind the program's.
func startStub(p Program, more ...int) (*stub, error) {
	files := make([]uintptr, 0, len(p.Files)+len(more))
	for _, fd := range append(slices.Clone(p.Files), more...) {
		files = append(files, uintptr(fd))
	}
	pid, err := syscall.ForkExec("/proc/self/exe", p.Args, &syscall.ProcAttr{
		Dir: p.Dir, Env: p.Env, Files: files,
		// The signal covers the moment between PTRACE_DETACH and PTRACE_SEIZE.
		Sys: &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return nil, fmt.Errorf("start of the stub: %w", err)
	}
	return &stub{pid: pid}, nil
}

// park lets go of the stub, which spins at its entry point from then on.
func (s *stub) park() error {
	if err := s.until(func(ws unix.WaitStatus) bool { return stopSignal(ws) == unix.SIGTRAP }, unix.PTRACE_CONT); err != nil {
		return err
	}
	if errno := s.base.get(s.pid); errno != 0 {
		return fmt.Errorf("registers of the stub: %w", errno)
	}
	if _, err := unix.PtracePokeText(s.pid, uintptr(s.base.ip()), parkingCode); err != nil {
		return fmt.Errorf("code of the stub: %w", err)
	}
	if errno := request(unix.PTRACE_DETACH, s.pid, 0, 0); errno != 0 {
		return fmt.Errorf("PTRACE_DETACH: %w", errno)
	}
	return nil
}

// seize takes a parked stub: only a seized task shows group-stops, which one that
// is held since its PTRACE_TRACEME does not.
func (s *stub) seize() error {
	if errno := request(unix.PTRACE_SEIZE, s.pid, 0, options); errno != 0 {
		return fmt.Errorf("PTRACE_SEIZE: %w", errno)
	}
	if errno := request(unix.PTRACE_INTERRUPT, s.pid, 0, 0); errno != 0 {
		return fmt.Errorf("PTRACE_INTERRUPT: %w", errno)
	}
	err := s.until(func(ws unix.WaitStatus) bool {
		return stopEvent(ws) == unix.PTRACE_EVENT_STOP && stopSignal(ws) == unix.SIGTRAP
	}, unix.PTRACE_CONT)
	if err != nil {
		return err
	}
	if errno := s.base.get(s.pid); errno != 0 {
		return fmt.Errorf("registers of the stub: %w", errno)
	}
	return nil
}

// until waits for the stop that wanted tells. Signals are delivered: their
// dispositions are the program's. A stopped stub waits for SIGCONT.
func (s *stub) until(wanted func(unix.WaitStatus) bool, resume int) error {
	for {
		_, errno := wait4(s.pid, &s.ws, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return fmt.Errorf("wait for the stub: %w", errno)
		}
		if !s.ws.Stopped() {
			s.died = true
			return &Died{s.ws}
		}
		if wanted(s.ws) {
			return nil
		}
		req, sig := resume, stopSignal(s.ws)
		if stopEvent(s.ws) == unix.PTRACE_EVENT_STOP {
			if sig != unix.SIGTRAP {
				req = unix.PTRACE_LISTEN
			}
			sig = 0
		}
		request(req, s.pid, 0, uintptr(sig))
	}
}

func (s *stub) kill() {
	unix.Kill(s.pid, unix.SIGKILL)
	for !s.died {
		if _, errno := wait4(s.pid, &s.ws, 0); errno != unix.EINTR && (errno != 0 || !s.ws.Stopped()) {
			return
		}
	}
}

// inject has the stub make one call.
func (s *stub) inject(nr int, args ...uint64) (int64, error) {
	var a [6]uint64
	copy(a[:], args)
	r := s.base
	r.setInjected(s.base.ip()+parkingCall, nr, &a)
	if errno := r.set(s.pid); errno != 0 {
		return 0, fmt.Errorf("registers of the stub: %w", errno)
	}
	for range 2 { // syscall-enter-stop, syscall-exit-stop
		if errno := request(unix.PTRACE_SYSCALL, s.pid, 0, 0); errno != 0 {
			return 0, fmt.Errorf("PTRACE_SYSCALL: %w", errno)
		}
		if err := s.until(callOrExec, unix.PTRACE_SYSCALL); err != nil {
			return 0, err
		}
		if stopEvent(s.ws) == unix.PTRACE_EVENT_EXEC {
			return 0, nil
		}
	}
	if errno := r.get(s.pid); errno != 0 {
		return 0, fmt.Errorf("registers of the stub: %w", errno)
	}
	return r.ret(), nil
}

func callOrExec(ws unix.WaitStatus) bool {
	return stopSignal(ws) == syscallStop || stopEvent(ws) == unix.PTRACE_EVENT_EXEC
}

// must is inject of a call that may not fail.
func (s *stub) must(what string, nr int, args ...uint64) (int64, error) {
	ret, err := s.inject(nr, args...)
	if err == nil && ret < 0 {
		err = fmt.Errorf("%s in the stub: %w", what, unix.Errno(-ret))
	}
	return ret, err
}

// stubBuffer is where arguments of injected calls lie: so far below the stack
// pointer that the program's arguments above are safe, and within the 128 KiB
// that execve(2) maps there (setup_arg_pages).
const stubBuffer = 96 << 10

func (s *stub) buffer() uint64 { return (s.base.sp() - stubBuffer) &^ 15 }

func (s *stub) store(addr uint64, p []byte) error {
	if e := proc.WriteStack(s.pid, addr, p); e != 0 {
		return fmt.Errorf("memory of the stub: %w", e)
	}
	return nil
}
