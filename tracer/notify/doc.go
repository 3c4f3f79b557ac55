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
//   - Native with other arguments, or with something to do afterwards, of a call that acts on
//     the file whoever makes it (getsockopt, setsockopt, shutdown): made on a copy of the
//     descriptor (pidfd_getfd(2)).
//   - Install: SECCOMP_IOCTL_NOTIF_ADDFD.
//   - Lend: such a copy.
//   - Receive: recvmsg(2) on such a copy; the payload is written to the task's memory.
//   - Wait: the supervisor polls such a copy, or is told by the emulation, for a moment, a
//     nap, in which most answers of a network nearby come.
//   - What is left (a longer wait, bytes of a stream, a descriptor to close) only the task
//     itself can do. It is handed over to the loop, which
//     interrupts the task and runs the verdict with ptrace(2).
//
// The kernel has the supervisor woken on the task's own core, which does nothing
// meanwhile (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6): that, more than the
// missing stops, is what makes this engine fast.
//
// Signals. From the moment that a worker has the notification, only a fatal signal
// ends the task's sleep (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19): a
// call is done and answered, or it is not done. Without that the answer may be lost
// to a signal even where the kernel has taken it, and nobody can tell that from
// a program that makes the same call twice. So no task may be kept from its signals
// for longer than a nap; a wait in the kernel, under ptrace, is interrupted as on
// Linux. A signal that comes before a worker has the notification ends the call with
// -ERESTARTSYS; the loop sees the task in the stop that follows, asks (Interrupted),
// and has it make the call anew, so that no call fails with EINTR that on Linux
// never does.
//
// Free. The engine also serves a box that no tracer holds ([Engine.Free]): then
// there is no loop to hand over to. What the loop would have the task do is done on a
// copy of the task's descriptor (free*.go), a bind(2) is followed (follow.go), and a
// nap lasts until there is something or a signal comes (watch.go). Tasks are not
// known beforehand: each call names its thread, and is valid while that lives.
//
// Ownership. A flight is one notified call on its way. It belongs to the goroutine
// that handles it (a worker, or that of a nap that has ended), while its state is
// handling; in any other state to who holds Engine.mu. Descriptors: a nap owns
// its copy, an Install its file until it is added. Start starts the workers, the clock,
// the sleeper and its watch, Stop ends them. A nap that is told has a goroutine that ends
// with it.
//
// Locks: a gate is taken before the emulation's locks, as those before Engine.mu,
// which is a leaf.
package notify
