package tracer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Scopes 0 and 1 let a process trace its children: they are no reason.
func TestRefused(t *testing.T) {
	cause := fmt.Errorf("start: %w", unix.EPERM)
	for scope, mend := range map[string]string{"0": "", "1": "", "2": "sysctl -w", "3": "reboot"} {
		err := refused(cause, scope)
		var r *RefusedError
		if errors.As(err, &r) != (mend != "") {
			t.Errorf("scope %s: %v", scope, err)
			continue
		}
		if mend != "" && (!strings.Contains(r.Mend, mend) || !strings.Contains(err.Error(), "ptrace_scope="+scope)) {
			t.Errorf("scope %s: %v", scope, err)
		}
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("scope %s: the errno is lost: %v", scope, err)
		}
	}
}
