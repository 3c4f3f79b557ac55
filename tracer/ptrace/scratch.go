package ptrace

import (
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// scratchMax bounds what an operation puts on the task's stack. Together with
// the red zone it must stay within what a goroutine has left at a system call:
// Go keeps 800 bytes for frames that do not check the stack.
const scratchMax = trap.MaxCopy

// scratch is memory on the task's stack, below the red zone. What was there
// is put back: a stack smaller than that would be someone else's memory.
type scratch struct {
	addr uint64
	n    int
	old  [scratchMax]byte
}

// borrow takes n bytes, 16-aligned, and returns their address.
func (t *task) borrow(n int) (uint64, unix.Errno) {
	s := &t.scratch
	addr := (t.saved.sp() - redZone - uint64(n)) &^ 15
	// Unreadable memory below the stack is mapped when it is written.
	clear(s.old[:n])
	if e := proc.ReadMemory(t.tid, addr, s.old[:n]); e == unix.ESRCH {
		return 0, e
	}
	s.addr, s.n = addr, n
	return addr, 0
}

// fill writes p to the start of the borrowed bytes.
func (t *task) fill(p []byte) unix.Errno { return proc.WriteStack(t.tid, t.scratch.addr, p) }

// giveBack restores the borrowed bytes.
func (t *task) giveBack() {
	s := &t.scratch
	if s.n == 0 {
		return
	}
	if e := proc.WriteStack(t.tid, s.addr, s.old[:s.n]); e != 0 && e != unix.ESRCH {
		t.e.log.Debug("scratch memory not restored", "tid", t.tid, "errno", e)
	}
	s.n = 0
}
