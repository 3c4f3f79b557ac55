package ptrace

import (
	"encoding/binary"
	"errors"
	"fmt"
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

// Died says that the main process ended before it became the program.
type Died struct{ Status unix.WaitStatus }

func (d *Died) Error() string { return "ended by a signal before the program was started" }

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
	if err = e.become(s, p); err != nil {
		s.kill()
		e.mu.Lock()
		e.main = 0
		e.mu.Unlock()
		return err
	}
	t := e.add(s.pid, s.pid, e.first)
	e.enterImage(t)
	return nil
}

// become makes a stub that has just been started the program.
func (e *Engine) become(s *stub, p Program) error {
	if err := s.park(); err != nil {
		return err
	}
	if err := s.seize(); err != nil {
		return err
	}
	if err := e.placeControl(s, len(p.Files)); err != nil {
		return err
	}
	return e.prepare(s, p)
}

// prepare has the stub make its preparations, and execute the program.
func (e *Engine) prepare(s *stub, p Program) error {
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
	if err := e.confine(s); err != nil {
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
func (e *Engine) confine(s *stub) error {
	program, err := s.storeFilter(e.filter)
	if err != nil {
		return err
	}
	if e.front != nil {
		fd, err := s.inject(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, listenerFlags, program)
		if err == nil && fd < 0 {
			err = &NoListener{unix.Errno(-fd)}
		}
		if err != nil {
			return err
		}
		return e.listen(s, int32(fd))
	}
	// Before Linux 5.16 a filter without SPEC_ALLOW slows the whole program
	// down; before 4.17 the flag is EINVAL.
	ret, err := s.inject(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, program)
	if err == nil && ret < 0 {
		_, err = s.must("seccomp", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, program)
	}
	return err
}

// listenerFlags: a call that the front has is ended by nothing but its answer, or
// a fatal signal.
const listenerFlags = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV

// storeFilter puts f into the stub's memory as a struct sock_fprog (length 0:2,
// program 8:16), and returns its address.
func (s *stub) storeFilter(f seccomp.Filter) (uint64, error) {
	const insn = int(unsafe.Sizeof(unix.SockFilter{}))
	b := make([]byte, sizeofSockFprog, sizeofSockFprog+len(f)*insn)
	binary.LittleEndian.PutUint16(b, uint16(len(f)))
	binary.LittleEndian.PutUint64(b[8:], s.buffer()+sizeofSockFprog)
	for _, i := range f {
		b = binary.LittleEndian.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = binary.LittleEndian.AppendUint32(b, i.K)
	}
	return s.buffer(), s.store(s.buffer(), b)
}
