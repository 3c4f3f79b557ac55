package seccomp

import (
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	libseccomp "github.com/elastic/go-seccomp-bpf"
)

// TestDebuggable: nothing is a tracer's to let through; what reaches other processes
// is the supervisor's to judge; all else is as with the other engines.
func TestDebuggable(t *testing.T) {
	free := vmOf(t, debuggable(table(Options{Sysctls: true})), libseccomp.ActionUserNotify)
	held := vmOf(t, table(Options{Sysctls: true}), libseccomp.ActionUserNotify, step)
	info := machine(t)
	run := func(vm *bpf.VM, nr int, args [6]uint64) uint32 {
		got, err := vm.Run(data(uint32(info.ID), uint32(nr), args))
		if err != nil {
			t.Fatal(err)
		}
		return uint32(got)
	}
	const notify = uint32(unix.SECCOMP_RET_USER_NOTIF)
	ptrace := info.SyscallNames["ptrace"]
	for request, want := range map[uint64]uint32{
		unix.PTRACE_ATTACH: notify, unix.PTRACE_SEIZE: notify, unix.PTRACE_ATTACH | high: notify,
		unix.PTRACE_TRACEME: allow, unix.PTRACE_PEEKDATA: allow, unix.PTRACE_SYSCALL: allow,
	} {
		if got := run(free, ptrace, [6]uint64{request}); got != want {
			t.Errorf("ptrace(%#x): %#x, want %#x", request, got, want)
		}
	}
	for _, nr := range append(numbers(1024), StepNR) {
		for _, args := range [][6]uint64{{}, {^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}} {
			got, want := run(free, nr, args), run(held, nr, args)
			switch {
			case got == trace:
				t.Errorf("call %d is a tracer's", nr)
			case nr == ptrace:
			case nr == StepNR && got == allow: // the kernel's ENOSYS
			case want == trace && got == notify:
			case got != want:
				t.Errorf("call %d: %#x, want %#x", nr, got, want)
			}
		}
	}
}

func numbers(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}
