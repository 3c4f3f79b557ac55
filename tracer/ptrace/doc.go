// Package ptrace is the engine that traps system calls with SECCOMP_RET_TRACE
// and ptrace(2): it needs nothing newer than Linux 4.8, no privilege, and
// works under Docker's default seccomp profile.
//
// In a nutshell: [Engine.Spawn] makes a stub process the program, seized and
// under the filter from its first instruction. [Engine.Run] is one loop on
// one locked thread. It waits for the next stop of any task, works on it in
// place and lets the task go on; a hand-over to another goroutine would cost
// several times as much as the stop. At a seccomp-stop the handler is asked
// for a [trap.Verdict]:
//
//   - Done and Fail replace the call: number -1 and a return value, one stop.
//   - Native lets it run; with Args or Then up to its syscall-exit-stop.
//   - Wait, Receive and Install replace it by ppoll(2) or recvmsg(2), whose
//     arguments lie on the task's stack for that long, and finish at the
//     syscall-exit-stop. Meanwhile the task is in the kernel, not in a stop, so
//     signals reach it; when one interrupts the call, the registers are put
//     back so that the kernel restarts the trapped call, or fails it with
//     EINTR, as SA_RESTART tells. A Wait that the emulation ends soon is waited for in
//     the stop, for a moment, see soon.go.
//
// An operation of several calls (say a new control socket: socket, connect,
// fcntl, close) makes the task run its trapped call again after each
// syscall-exit-stop, with signals blocked, and replaces that at the next
// seccomp-stop. So calls always begin at a seccomp-stop and end at a
// syscall-exit-stop; see phase in task.go.
//
// A process that maps a packet ring gets a second filter, see polls.go.
//
// Descriptors get into a process through its control socket, see control.go, and out
// of it where pidfd_getfd(2) is refused, see lend.go.
//
// Ownership: all state belongs to the loop's thread; there are no locks but
// the one around the main process's number, for [Engine.Signal], and the leaves
// around what other threads ask for (handOvers, watches). A task that
// was reported stopped may be dead when it is touched: ESRCH is normal
// everywhere, and the exit status that follows cleans up. A panic of the
// handler ends the supervisor, and PTRACE_O_EXITKILL the box with it.
package ptrace
