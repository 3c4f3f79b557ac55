package tracer

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// yamaScope tells who may trace whom, where the kernel has Yama: ptrace(2).
const yamaScope = "/proc/sys/kernel/yama/ptrace_scope"

// RefusedError says why ptrace(2) is refused, by which setting, and the
// command that would mend it.
type RefusedError struct {
	Err           error
	Setting, Mend string
}

func (e *RefusedError) Error() string {
	return "ptrace(2) is refused by " + e.Setting + " (to mend it: " + e.Mend + ")"
}

func (e *RefusedError) Unwrap() error { return e.Err }

// explain finds the setting behind a refusal to trace a child.
func explain(err error) error {
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	scope, readErr := os.ReadFile(yamaScope)
	if readErr != nil {
		return err // no Yama
	}
	return refused(err, strings.TrimSpace(string(scope)))
}

// refused is err with Yama's scope as the reason, if that scope refuses to
// trace a child (Documentation/admin-guide/LSM/Yama.rst).
func refused(err error, scope string) error {
	e := &RefusedError{Err: err, Setting: "kernel.yama.ptrace_scope=" + scope}
	switch scope {
	case "2": // only with CAP_SYS_PTRACE
		e.Mend = "sudo sysctl -w kernel.yama.ptrace_scope=1"
	case "3": // nobody, and the scope stays until the machine restarts
		e.Mend = "echo kernel.yama.ptrace_scope=1 | sudo tee /etc/sysctl.d/99-ptrace-scope.conf && sudo reboot"
	default:
		return err
	}
	return e
}
