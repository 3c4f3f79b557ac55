package ptrace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// regs are the general registers of a stopped task, and the call number that
// the kernel is to run, which is a register set of its own (NT_ARM_SYSTEM_CALL).
type regs struct {
	unix.PtraceRegs
	call    int32
	setNext bool // call is to be written
}

const (
	// insnLen is the length of the SVC instruction.
	insnLen = 4
	// redZone: AAPCS64 has none, but code may be hand-written; one for all.
	redZone = 128
	// psrMode32 is PSR_MODE32_BIT of <asm/ptrace.h>: a 32-bit program.
	psrMode32 = 0x10
	// canWatch says that a call which a stop has interrupted can be begun anew.
	canWatch = false
	// foreignABI is what 32-bit programs are called.
	foreignABI = "arm"

	ntPRStatus      = 1
	ntARMSystemCall = 0x404
)

// parkingCode is written over the entry point of the stub: it spins, and has
// a system-call instruction for injected calls at parkingCall.
//
//	b . ; svc #0 ; b .
var parkingCode = []byte{
	0x00, 0x00, 0x00, 0x14, 0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x00, 0x14,
}

const parkingCall = 4

func regset(req, tid, set int, p unsafe.Pointer, n uint64) unix.Errno {
	iov := unix.Iovec{Base: (*byte)(p), Len: n}
	return request(req, tid, uintptr(set), uintptr(unsafe.Pointer(&iov)))
}

func (r *regs) get(tid int) unix.Errno {
	r.setNext = false
	return regset(unix.PTRACE_GETREGSET, tid, ntPRStatus, unsafe.Pointer(&r.PtraceRegs), uint64(unsafe.Sizeof(r.PtraceRegs)))
}

func (r *regs) set(tid int) unix.Errno {
	if e := regset(unix.PTRACE_SETREGSET, tid, ntPRStatus, unsafe.Pointer(&r.PtraceRegs), uint64(unsafe.Sizeof(r.PtraceRegs))); e != 0 || !r.setNext {
		return e
	}
	return regset(unix.PTRACE_SETREGSET, tid, ntARMSystemCall, unsafe.Pointer(&r.call), 4)
}

// nr is the number of the call in flight.
func (r *regs) nr() int { return int(int32(r.Regs[8])) }

func (r *regs) args() [6]uint64 { return [6]uint64(r.Regs[:6]) }

func (r *regs) sp() uint64 { return r.Sp }

func (r *regs) ret() int64 { return int64(r.Regs[0]) }

// foreign says that the task runs a 32-bit program.
func (r *regs) foreign() bool { return r.Pstate&psrMode32 != 0 }

// setCall makes the call at a seccomp-stop another one.
func (r *regs) setCall(nr int, args *[6]uint64) {
	copy(r.Regs[:6], args[:])
	r.call, r.setNext = int32(nr), true
}

// setSkipped keeps the kernel from running the call at a seccomp-stop.
func (r *regs) setSkipped(ret int64) {
	r.Regs[0] = uint64(ret)
	r.call, r.setNext = -1, true
}

// setReturned ends the call at a syscall-exit-stop. Without a call number the
// kernel takes no return value for a request to restart.
func (r *regs) setReturned(ret int64) { r.setSkipped(ret) }

// setInterrupted ends the call at a syscall-exit-stop with one of the kernel's
// restart codes: when a signal was delivered it makes that EINTR or a restart with the first argument
// that the program gave (arch/arm64/kernel/signal.c, do_signal).
func (r *regs) setInterrupted(nr int, code int64) {
	r.Regs[0] = uint64(-code)
	r.call, r.setNext = int32(nr), true
}

// setAgain makes the task run the system-call instruction anew.
func (r *regs) setAgain(int) {
	r.Pc -= insnLen
	r.call, r.setNext = -1, true
}

// setInjected makes a task that is outside of any call run one at ip.
func (r *regs) setInjected(ip uint64, nr int, args *[6]uint64) {
	copy(r.Regs[:6], args[:])
	r.Regs[8] = uint64(nr)
	r.Pc = ip
}

func (r *regs) ip() uint64 { return r.Pc }

// answersEINTR: at a signal-delivery-stop the call's first argument is lost
// here (x0 has its result), so that none can be begun anew.
func answersEINTR(int) bool { return false }
