package ptrace

import (
	"encoding/binary"
	"fmt"

	"netbox/tracer/proc"

	"golang.org/x/sys/unix"
)

// ExecError says that the program could not be executed.
type ExecError struct {
	Path  string
	Errno unix.Errno
}

func (e *ExecError) Error() string { return e.Path + ": " + e.Errno.Error() }
func (e *ExecError) Unwrap() error { return e.Errno }

// shell runs a file that execve(2) does not know, as execvp(3) has it.
const shell = "/bin/sh"

// exec tries the paths as execvp(3) does: a missing file or a forbidden one is
// passed over, the latter remembered.
func (s *stub) exec(paths []string) error {
	argv, envp, err := s.vectors()
	if err != nil {
		return err
	}
	failure := &ExecError{paths[0], unix.ENOENT}
	for _, path := range paths {
		if err := s.store(s.buffer(), append([]byte(path), 0)); err != nil {
			return err
		}
		ret, err := s.inject(unix.SYS_EXECVE, s.buffer(), argv, envp)
		if err == nil && unix.Errno(-ret) == unix.ENOEXEC {
			ret, err = s.execShell(path, argv, envp)
		}
		if err != nil {
			return err
		}
		switch e := unix.Errno(-ret); e {
		case 0:
			return nil
		case unix.ENOENT, unix.ENOTDIR, unix.ESTALE, unix.ENODEV, unix.ETIMEDOUT:
			if len(paths) == 1 {
				failure.Errno = e
			}
		case unix.EACCES:
			failure = &ExecError{path, e}
		default:
			return &ExecError{path, e}
		}
	}
	return failure
}

// vectors are the addresses of argv and envp. At the entry point the stack
// has argc, argv, NULL, envp, NULL (System V ABI, 3.4.1; AAPCS64 is alike).
func (s *stub) vectors() (argv, envp uint64, err error) {
	var argc [8]byte
	if e := proc.ReadMemory(s.pid, s.base.sp(), argc[:]); e != 0 {
		return 0, 0, fmt.Errorf("memory of the stub: %w", e)
	}
	argv = s.base.sp() + 8
	return argv, argv + 8*(binary.LittleEndian.Uint64(argc[:])+1), nil
}

// execShell runs a script without #!: sh path argv[1] …
func (s *stub) execShell(path string, argv, envp uint64) (int64, error) {
	args := make([]byte, envp-argv)
	if e := proc.ReadMemory(s.pid, argv, args); e != 0 {
		return 0, fmt.Errorf("memory of the stub: %w", e)
	}
	// The buffer: shell, NUL, path, NUL, padding, the new argv.
	names := append([]byte(shell+"\x00"+path), 0)
	for len(names)%8 != 0 {
		names = append(names, 0)
	}
	at := s.buffer()
	vector := binary.LittleEndian.AppendUint64(names, at)
	vector = binary.LittleEndian.AppendUint64(vector, at+uint64(len(shell))+1)
	vector = append(vector, args[8:]...)
	if err := s.store(at, vector); err != nil {
		return 0, err
	}
	return s.inject(unix.SYS_EXECVE, at, at+uint64(len(names)), envp)
}
