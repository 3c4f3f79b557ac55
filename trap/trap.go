// Package trap is the border between interception and emulation.
//
// The tracer sees tasks, registers and ptrace-stops; the emulation sees
// sockets. They meet here: the emulation is handed a [Task] and a [Call] and
// answers with a [Verdict]; an engine turns the verdict into kernel actions.
// The emulation knows no ptrace, the tracer knows no socket, and each is
// tested without the other.
//
// A handler runs on an engine's thread and must not block: the task that it is
// asked for receives no signal meanwhile but SIGKILL. What has to wait is started, and
// the wait itself is done by the kernel, natively, on the surrogate (see
// [Wait] and [Receive]), so that signals interrupt it as they do on Linux.
package trap

import "golang.org/x/sys/unix"

// Task is one thread of the sandboxed program, held in its call while a
// handler looks at it. A Task is valid only until the verdict is returned,
// and again inside the callbacks of that verdict.
type Task interface {
	// TID is the kernel thread id, PID the thread group's.
	TID() int
	PID() int
	// Name is the program's name as in /proc/PID/comm, for the ledger.
	Name() string
	// ReadMemory fills p from addr, WriteMemory stores p at addr: all of it,
	// or EFAULT.
	ReadMemory(addr uint64, p []byte) unix.Errno
	WriteMemory(addr uint64, p []byte) unix.Errno
	// ReadPath is the NUL-terminated string at addr, without the NUL:
	// ENAMETOOLONG for one of PATH_MAX bytes or more. Path is where descriptor
	// fd leads (AT_FDCWD: the working directory), as the kernel writes it in
	// /proc/PID/fd. Both are valid until the next call of the same method.
	ReadPath(addr uint64) ([]byte, unix.Errno)
	Path(fd int32) ([]byte, unix.Errno)
	// Inode is the sockfs inode of descriptor fd. EBADF: not open.
	// ENOTSOCK: open, and no socket.
	Inode(fd int32) (uint64, unix.Errno)
	// Protocol is the kernel's name of the protocol of the socket at descriptor fd:
	// "TCP", "UDPv6", "UNIX-STREAM" and so on.
	Protocol(fd int32) (string, unix.Errno)
	// StatusFlags are the file status flags (O_NONBLOCK) of descriptor fd, as
	// F_GETFL would tell.
	StatusFlags(fd int32) (int, unix.Errno)
	// CloseOnExec says whether descriptor fd has FD_CLOEXEC.
	CloseOnExec(fd int32) (bool, unix.Errno)
	// Borrow gives the supervisor a copy of descriptor fd, to close soon: the
	// emulation knows by S that every copy of T is closed. EPERM: not allowed
	// here.
	Borrow(fd int32) (int, unix.Errno)
}

// Call is a trapped system call: its number and its argument registers, on
// the native ABI of the machine.
type Call struct {
	NR   int
	Args [6]uint64
}

// Int32 is argument i as a C int.
func (c Call) Int32(i int) int32 { return int32(c.Args[i]) }

// Pointer is argument i as an address in the task.
func (c Call) Pointer(i int) uint64 { return c.Args[i] }

// Handler is the emulation, as an engine sees it. Engines may call Handle
// from several threads at once.
type Handler interface {
	// Handle answers one trapped call.
	Handle(t Task, c Call) Verdict
	// ProcessExited says that the last thread of process pid is gone, so that
	// surrogates whose end the kernel does not announce can be looked over.
	ProcessExited(pid int)
}
