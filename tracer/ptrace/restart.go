package ptrace

import "golang.org/x/sys/unix"

// The kernel's own errnos of an interrupted call, <linux/errno.h>. A program
// never sees them, a tracer does at the syscall-exit-stop.
const (
	eRestartSys    = 512 // a restart, but EINTR if a handler without SA_RESTART runs
	eRestartNoIntr = 513 // a restart
	eRestartNoHand = 514 // a restart, but EINTR if a handler runs
	eRestartBlock  = 516 // as eRestartNoHand, by way of restart_syscall(2)

	eINTR = int64(unix.EINTR)
)

// interrupted says that ret is a request to restart the call.
func interrupted(ret int64) bool { return -ret >= eRestartSys && -ret <= eRestartBlock }

// How an operation that a signal interrupted is to end. A traced task wakes
// for signals too that it ignores, which Linux does not even queue for an
// untraced one: so EINTR must be left to the kernel, which knows whether a
// handler runs.
func restartCode(ret int64) int64 {
	switch -ret {
	case eINTR: // socket(7): no restart under SO_RCVTIMEO
		return eRestartNoHand
	case eRestartNoHand, eRestartBlock: // as after poll(2)
		return eRestartNoHand
	}
	return eRestartSys
}
