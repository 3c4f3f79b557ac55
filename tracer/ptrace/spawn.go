package ptrace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"netbox/seccomp"

	"golang.org/x/sys/unix"
)

// Program is what Spawn starts.
type Program struct {
	// Paths are tried in turn, as execvp(3) does along PATH.
	Paths []string
	Args  []string
	Env   []string
	Dir   string // "": the supervisor's
	// Files are the supervisor's descriptors for the numbers 0, 1, …; -1
	// leaves a number closed.
	Files []int
	// Ignored are the signals that the program is to find ignored, besides
	// those that are ignored in the supervisor.
	Ignored []unix.Signal
	// Blocked are signals (bit n-1 for signal n) to be blocked, besides those
	// that are blocked on the calling thread.
	Blocked uint64
}

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

// Spawn starts the program under the filter, as the main process. What fails
// in execve(2) itself is an *ExecError. A signal may end the stub before the
// program runs; then Run returns that.
func (e *Engine) Spawn(p Program) error {
	if hasChildren() {
		return errors.New("the thread that traces has children of its own: they must be started by another")
	}
	ours, theirs, err := newPair()
	if err != nil {
		return err
	}
	defer unix.Close(theirs)
	inode, err := inodeOf(theirs)
	if err != nil {
		unix.Close(ours)
		return err
	}
	e.controls[inode] = &control{inode: inode, fd: ours}

	s, err := startStub(p, theirs)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.main = s.pid
	e.mu.Unlock()
	if err = s.hold(); err == nil {
		err = e.prepare(s, p)
	}
	if err != nil {
		unix.Kill(s.pid, unix.SIGKILL)
		s.reap()
		e.mu.Lock()
		e.main = 0
		e.mu.Unlock()
		return err
	}
	t := e.add(s.pid, s.pid, e.first)
	e.enterImage(t)
	return nil
}

// startStub forks and executes this program again, traced, with the target's
// arguments and environment. Go's ForkExec gives it the signal mask,
// dispositions and RLIMIT_NOFILE that the supervisor was started with.
func startStub(p Program, control int) (*stub, error) {
	files := make([]uintptr, 0, len(p.Files)+1)
	for _, fd := range p.Files {
		files = append(files, uintptr(fd))
	}
	files = append(files, uintptr(control))
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

// hold exchanges the PTRACE_TRACEME of the fork for PTRACE_SEIZE: only a
// seized task shows group-stops. Meanwhile the stub spins at its entry point.
func (s *stub) hold() error {
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
	if errno := request(unix.PTRACE_SEIZE, s.pid, 0, options); errno != 0 {
		return fmt.Errorf("PTRACE_SEIZE: %w", errno)
	}
	if errno := request(unix.PTRACE_INTERRUPT, s.pid, 0, 0); errno != 0 {
		return fmt.Errorf("PTRACE_INTERRUPT: %w", errno)
	}
	return s.until(func(ws unix.WaitStatus) bool {
		return stopEvent(ws) == unix.PTRACE_EVENT_STOP && stopSignal(ws) == unix.SIGTRAP
	}, unix.PTRACE_CONT)
}

// until waits for the stop that wanted tells. Signals are delivered: their
// dispositions are the program's. A stopped stub waits for SIGCONT.
func (s *stub) until(wanted func(unix.WaitStatus) bool, resume int) error {
	for {
		if _, errno := wait4(s.pid, &s.ws, 0); errno != 0 {
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

// Died says that the main process ended before it became the program.
type Died struct{ Status unix.WaitStatus }

func (d *Died) Error() string { return "ended by a signal before the program was started" }

func (s *stub) reap() {
	for !s.died {
		if _, errno := wait4(s.pid, &s.ws, 0); errno != 0 || !s.ws.Stopped() {
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

// prepare makes the stub the program.
func (e *Engine) prepare(s *stub, p Program) error {
	if err := e.placeControl(s, len(p.Files)); err != nil {
		return err
	}
	if err := s.ignore(p.Ignored); err != nil {
		return err
	}
	if err := s.block(p.Blocked); err != nil {
		return err
	}
	if _, err := s.must("prctl(PR_SET_PDEATHSIG)", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG); err != nil {
		return err
	}
	if _, err := s.must("prctl(PR_SET_NO_NEW_PRIVS)", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	if err := s.confine(e.filter); err != nil {
		return err
	}
	return s.exec(p.Paths)
}

// placeControl moves the control descriptor from low to its high number.
func (e *Engine) placeControl(s *stub, low int) error {
	for _, n := range controlNumbers {
		ret, err := s.inject(unix.SYS_FCNTL, uint64(low), unix.F_DUPFD, uint64(n))
		if err != nil {
			return err
		}
		if ret >= 0 {
			e.first = int32(ret)
			_, err = s.must("close", unix.SYS_CLOSE, uint64(low))
			return err
		}
	}
	return fmt.Errorf("RLIMIT_NOFILE leaves no room for the control descriptor: %w", unix.EMFILE)
}

// stubBuffer is where arguments of injected calls lie: so far below the stack
// pointer that the program's arguments above are safe, and within the 128 KiB
// that execve(2) maps there (setup_arg_pages).
const stubBuffer = 96 << 10

func (s *stub) buffer() uint64 { return (s.base.sp() - stubBuffer) &^ 15 }

// ignore sets signals to SIG_IGN. struct sigaction of the kernel: handler
// 0:8, flags 8:16, restorer (or mask), mask.
func (s *stub) ignore(sigs []unix.Signal) error {
	var act [32]byte
	act[0] = 1 // SIG_IGN
	if len(sigs) > 0 {
		if err := s.store(s.buffer(), act[:]); err != nil {
			return err
		}
	}
	for _, sig := range sigs {
		if _, err := s.must("rt_sigaction", unix.SYS_RT_SIGACTION, uint64(sig), s.buffer(), 0, sigsetLen); err != nil {
			return err
		}
	}
	return nil
}

// block adds signals to the mask.
func (s *stub) block(more uint64) error {
	var set uint64
	errno := sigmask(unix.PTRACE_GETSIGMASK, s.pid, &set)
	if set |= more; errno == 0 {
		errno = sigmask(unix.PTRACE_SETSIGMASK, s.pid, &set)
	}
	if errno != 0 {
		return fmt.Errorf("signal mask of the stub: %w", errno)
	}
	return nil
}

// confine loads the filter.
func (s *stub) confine(f seccomp.Filter) error {
	const insn = int(unsafe.Sizeof(unix.SockFilter{}))
	// struct sock_fprog: length 0:2, program 8:16.
	b := make([]byte, 16, 16+len(f)*insn)
	binary.LittleEndian.PutUint16(b, uint16(len(f)))
	binary.LittleEndian.PutUint64(b[8:], s.buffer()+16)
	for _, i := range f {
		b = binary.LittleEndian.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = binary.LittleEndian.AppendUint32(b, i.K)
	}
	if err := s.store(s.buffer(), b); err != nil {
		return err
	}
	// Before Linux 5.16 a filter without SPEC_ALLOW slows the whole program
	// down; before 4.17 the flag is EINVAL.
	ret, err := s.inject(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, s.buffer())
	if err == nil && ret < 0 {
		_, err = s.must("seccomp", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, s.buffer())
	}
	return err
}
