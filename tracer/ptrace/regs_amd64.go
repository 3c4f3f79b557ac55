package ptrace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// regs are the general registers of a stopped task.
type regs struct{ unix.PtraceRegs }

const (
	// insnLen is the length of the SYSCALL instruction.
	insnLen = 2
	// redZone is the space below the stack pointer that belongs to the
	// running function (System V ABI, AMD64 supplement, 3.2.2).
	redZone = 128
	// userCS32 is __USER32_CS: the code segment of i386 programs.
	userCS32 = 0x23
	// canWatch says that a call which a stop has interrupted can be begun anew.
	canWatch = true
	// foreignABI is what 32-bit programs are called.
	foreignABI = "i386"
)

// parkingCode is written over the entry point of the stub: it spins, and has
// a system-call instruction for injected calls at parkingCall.
//
//	jmp . ; syscall ; jmp .
var parkingCode = []byte{0xeb, 0xfe, 0x0f, 0x05, 0xeb, 0xfe}

const parkingCall = 2

func (r *regs) get(tid int) unix.Errno {
	return request(unix.PTRACE_GETREGS, tid, 0, uintptr(unsafe.Pointer(&r.PtraceRegs)))
}

func (r *regs) set(tid int) unix.Errno {
	return request(unix.PTRACE_SETREGS, tid, 0, uintptr(unsafe.Pointer(&r.PtraceRegs)))
}

// nr is the number of the call in flight.
func (r *regs) nr() int { return int(int32(r.Orig_rax)) }

func (r *regs) args() [6]uint64 {
	return [6]uint64{r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9}
}

func (r *regs) sp() uint64 { return r.Rsp }

func (r *regs) ret() int64 { return int64(r.Rax) }

// foreign says that the task runs a 32-bit program.
func (r *regs) foreign() bool { return r.Cs == userCS32 }

// setCall makes the call at a seccomp-stop another one.
func (r *regs) setCall(nr int, args *[6]uint64) {
	r.Orig_rax = uint64(nr)
	r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9 = args[0], args[1], args[2], args[3], args[4], args[5]
}

// setSkipped keeps the kernel from running the call at a seccomp-stop.
func (r *regs) setSkipped(ret int64) {
	r.Orig_rax = ^uint64(0)
	r.Rax = uint64(ret)
}

// setReturned ends the call at a syscall-exit-stop. Without a number in
// orig_rax the kernel takes no return value for a request to restart.
func (r *regs) setReturned(ret int64) { r.setSkipped(ret) }

// setInterrupted ends the call at a syscall-exit-stop with one of the kernel's
// restart codes: when a signal was delivered it makes that EINTR or a restart (arch/x86/kernel/signal.c,
// handle_signal).
func (r *regs) setInterrupted(nr int, code int64) {
	r.Orig_rax = uint64(nr)
	r.Rax = uint64(-code)
}

// setAgain makes the task run the system-call instruction anew.
func (r *regs) setAgain(nr int) {
	r.Orig_rax = ^uint64(0)
	r.Rax = uint64(nr)
	r.Rip -= insnLen
}

// setInjected makes a task that is outside of any call run one at ip.
func (r *regs) setInjected(ip uint64, nr int, args *[6]uint64) {
	r.setCall(nr, args)
	r.Orig_rax = ^uint64(0)
	r.Rax = uint64(nr)
	r.Rip = ip
}

func (r *regs) ip() uint64 { return r.Rip }

// answersEINTR are the calls that may answer EINTR without asking whether a
// handler runs: epoll_wait (fs/eventpoll.c, ep_poll), those of sockets under a
// time limit (sock_intr_errno), semaphores (ipc/sem.c), and sigtimedwait.
func answersEINTR(nr int) bool {
	switch nr {
	case unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2,
		unix.SYS_READ, unix.SYS_READV, unix.SYS_RECVFROM, unix.SYS_RECVMSG,
		unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_SENDTO, unix.SYS_SENDMSG,
		unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_RT_SIGTIMEDWAIT:
		return true
	}
	return false
}
