package ptrace

import (
	"log/slog"
	"os"
	"testing"

	"netbox/trap"
)

// TestPollsKnownEarly: a stop at poll(2) is ours as soon as the filter may be
// loaded, for the process and what it forks meanwhile.
func TestPollsKnownEarly(t *testing.T) {
	e := &Engine{log: slog.Default(), tasks: map[int]*task{}, processes: map[int]*process{}}
	const nobody = 1 << 30 // no task has this number: requests end with ESRCH
	thread := e.add(nobody, nobody, 0)
	thread.install = installRun{in: &trap.Install{TrapPolls: true, File: -1}}
	thread.install.used(thread, 0)
	if thread.install.stage != guard || !thread.proc.polls || thread.proc.guarded {
		t.Errorf("before the filter is loaded: stage %d, %+v", thread.install.stage, thread.proc)
	}
	thread.install.guarded(thread, 0)
	if !thread.proc.guarded {
		t.Error("the filter is loaded, and will be again")
	}
	if child := e.known(os.Getpid()); !child.proc.polls || child.proc.guarded {
		t.Errorf("a child whose parent is not known: %+v", child.proc)
	}
}
