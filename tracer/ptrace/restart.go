package ptrace

import "golang.org/x/sys/unix"

// The kernel's own errnos of an interrupted call, <linux/errno.h>. A program
// never sees them, a tracer does at the syscall-exit-stop.
const (
	eRestartSys     = 512 // EINTR, or a restart under SA_RESTART
	eRestartNoIntr  = 513 // always a restart
	eRestartNoHand  = 514 // a restart unless a handler runs
	eRestartBlock   = 516 // a restart by restart_syscall(2) unless a handler runs
	lastRestartCode = eRestartBlock
)

func negative(errno int64) uint64 { return uint64(-errno) }

// interrupted says that ret is a request to restart the call.
func interrupted(ret int64) bool { return -ret >= eRestartSys && -ret <= lastRestartCode }

const eINTR = int64(unix.EINTR)
