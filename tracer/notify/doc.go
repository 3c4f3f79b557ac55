// Package notify answers trapped calls by seccomp notifications
// (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)): the faster engine. It is a
// [ptrace.Front]: the program is still launched and held under ptrace, by package
// netbox/tracer/ptrace, whose loop sees forks, execs, signals and ends.
//
// The mechanism. A task that makes a trapped call sleeps in the kernel; one of a
// few workers gets the notification, asks the handler for a [trap.Verdict] and
// acts on it from outside:
//
//   - Done, Fail, and Native as the program made the call: one answer.
//   - Install: SECCOMP_IOCTL_NOTIF_ADDFD.
//   - Wait: the supervisor polls a copy of the descriptor (pidfd_getfd(2)), and
//     answers later.
//   - Receive: recvmsg(2) on such a copy; the payload is written to the task's
//     memory.
//   - What is left (a call with other arguments, a descriptor to close) only the
//     task can do. It is handed over to the loop, which interrupts the task and
//     runs the verdict with ptrace(2).
//
// The kernel has the supervisor woken on the task's own core, which does nothing
// meanwhile (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6): that, more than the
// missing stops, is what makes this engine fast.
//
// Signals. A signal ends the task's sleep at any moment with -ERESTARTSYS, also
// when the handler has acted already. Before a handler of the program's can run, or the
// call is restarted, the loop sees the task in a stop. It asks what has become
// of the call (Interrupted), and ends it so: a call that was done returns its value,
// one that never waits is restarted, only one that waits may fail with EINTR. Where
// the kernel restarts a call without a stop, the value is kept for it.
//
// Ownership. A flight is one notified call on its way. It belongs to the goroutine
// that handles it (a worker, or that of a sleep that has ended), while its state is
// handling; in any other state to who holds Engine.mu. Descriptors: a sleep owns
// its copy, an Install its file until it is added. Start starts the workers and the
// sleeper, Stop ends them.
//
// Locks: a gate is taken before the emulation's locks, as those before Engine.mu,
// which is a leaf.
package notify
