package main

import (
	"fmt"

	"github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// allowed is what the helper may still call once it serves. Anything else
// kills it: a helper that wants more than this is not itself any more, and
// netbox starts a good one. The last four have a guard each.
var allowed = []string{
	// Serving. No descriptor can be opened, so these reach the conversation,
	// the raw sockets and stderr alone.
	"read", "write", "ppoll", "recvmmsg", "sendmmsg", "close",
	// The runtime: scheduler, timers, memory, signals, time where there is no
	// vDSO, exit. A Go panic prints and exits with these, too.
	"futex", "nanosleep", "sched_yield", "epoll_pwait",
	"munmap", "madvise",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
	"clock_gettime", "gettimeofday", "getrandom",
	"getpid", "gettid", "exit", "exit_group",
	"tgkill", "clone", "mmap", "prctl",
}

// runtimeClone are the flags that the Go runtime starts a thread with
// (runtime/os_linux.go cloneFlags); no other clone is allowed, so there are no
// processes.
const runtimeClone = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND |
	unix.CLONE_SYSVSEM | unix.CLONE_THREAD

// guard kills a call whose argument meets the condition.
type guard struct {
	name      string
	condition seccomp.Condition
}

// guards restrict arguments of allowed calls in the process with this pid.
func guards(pid int) []guard {
	return []guard{
		// The runtime preempts its own threads; no signal for anyone else.
		{"tgkill", seccomp.Condition{Argument: 0, Operation: seccomp.NotEqual, Value: uint64(pid)}},
		{"clone", seccomp.Condition{Argument: 0, Operation: seccomp.NotEqual, Value: runtimeClone}},
		{"mmap", seccomp.Condition{Argument: 2, Operation: seccomp.BitsSet, Value: unix.PROT_EXEC}},
		// The runtime names its mappings.
		{"prctl", seccomp.Condition{Argument: 0, Operation: seccomp.NotEqual, Value: unix.PR_SET_VMA}},
	}
}

// policies are the helper's filters, in the order in which they are to be
// loaded; the kernel obeys the strictest. Each guard is a filter of its own,
// which lets everything else pass: go-seccomp-bpf 1.6.0 does not load the
// number of the call again behind a condition that is not met, so that a
// second call with conditions in one filter would be compared with an
// argument. The list of what is allowed comes last, for it forbids
// loading filters.
func policies(pid int) []seccomp.Policy {
	var ps []seccomp.Policy
	for _, g := range guards(pid) {
		ps = append(ps, seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls: []seccomp.SyscallGroup{{
				Action: seccomp.ActionKillProcess,
				NamesWithCondtions: []seccomp.NameWithConditions{
					{Name: g.name, Conditions: seccomp.ArgumentConditions{g.condition}}},
			}},
		})
	}
	return append(ps, seccomp.Policy{
		DefaultAction: seccomp.ActionKillProcess,
		Syscalls:      []seccomp.SyscallGroup{{Action: seccomp.ActionAllow, Names: allowed}},
	})
}

// loadFilters sets the filters on all threads at once (TSYNC), each of which
// must have no_new_privs.
func loadFilters() error {
	for _, p := range policies(unix.Getpid()) {
		filter := seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: p}
		if err := seccomp.LoadFilter(filter); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	return nil
}
