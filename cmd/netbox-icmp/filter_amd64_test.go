package main

import (
	"encoding/binary"
	"testing"

	"github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	auditArchX86_64 = 0xc000003e // <linux/audit.h>
	auditArchI386   = 0x40000003
	x32Bit          = 0x40000000
	pid             = 4711
)

// verdict runs a call through the filters in the BPF VM and answers the
// strictest action, as the kernel does: the smallest as a signed number.
func verdict(t *testing.T, arch, nr uint32, args ...uint64) seccomp.Action {
	t.Helper()
	data := make([]byte, 64) // struct seccomp_data; the VM loads big-endian words
	binary.BigEndian.PutUint32(data, nr)
	binary.BigEndian.PutUint32(data[4:], arch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	strictest := int32(seccomp.ActionAllow)
	for _, p := range policies(pid) {
		program, err := p.Assemble()
		if err != nil {
			t.Fatal(err)
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		action, err := vm.Run(data)
		if err != nil {
			t.Fatal(err)
		}
		strictest = min(strictest, int32(uint32(action)))
	}
	return seccomp.Action(uint32(strictest))
}

func TestFilterVerdicts(t *testing.T) {
	const kill, allow = seccomp.ActionKillProcess, seccomp.ActionAllow
	for _, c := range []struct {
		name string
		nr   uint32
		args []uint64
		want seccomp.Action
	}{
		{"sendmmsg", unix.SYS_SENDMMSG, nil, allow},
		{"ppoll", unix.SYS_PPOLL, nil, allow},
		{"exit_group", unix.SYS_EXIT_GROUP, nil, allow},
		{"runtime's clone", unix.SYS_CLONE, []uint64{runtimeClone}, allow},
		{"fork", unix.SYS_FORK, nil, kill},
		{"vfork", unix.SYS_VFORK, nil, kill},
		{"clone as fork", unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, kill},
		{"clone, flags in the upper half", unix.SYS_CLONE, []uint64{1<<32 | runtimeClone}, kill},
		{"clone with the number of mmap", unix.SYS_CLONE, []uint64{unix.SYS_MMAP}, kill},
		{"clone3", unix.SYS_CLONE3, nil, kill},
		{"mmap of data", unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE}, allow},
		{"mmap of code", unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC}, kill},
		{"mmap of code, odd bits", unix.SYS_MMAP, []uint64{unix.PR_SET_VMA, 4096, unix.SYS_PRCTL}, kill},
		{"mprotect", unix.SYS_MPROTECT, []uint64{0, 4096, unix.PROT_EXEC}, kill},
		{"tgkill of its own", unix.SYS_TGKILL, []uint64{pid, pid + 1, uint64(unix.SIGURG)}, allow},
		{"tgkill of another", unix.SYS_TGKILL, []uint64{pid + 1, pid + 1, uint64(unix.SIGURG)}, kill},
		{"tgkill with the number of mmap", unix.SYS_TGKILL, []uint64{unix.SYS_MMAP, unix.SYS_MMAP, 2}, kill},
		{"kill", unix.SYS_KILL, []uint64{pid, 9}, kill},
		{"prctl naming memory", unix.SYS_PRCTL, []uint64{unix.PR_SET_VMA}, allow},
		{"prctl dumpable", unix.SYS_PRCTL, []uint64{unix.PR_SET_DUMPABLE, 1}, kill},
		{"socket", unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_STREAM}, kill},
		{"setsockopt", unix.SYS_SETSOCKOPT, nil, kill},
		{"openat", unix.SYS_OPENAT, nil, kill},
		{"execve", unix.SYS_EXECVE, nil, kill},
		{"execveat", unix.SYS_EXECVEAT, nil, kill},
		{"ptrace", unix.SYS_PTRACE, nil, kill},
		{"process_vm_writev", unix.SYS_PROCESS_VM_WRITEV, nil, kill},
		{"io_uring_setup", unix.SYS_IO_URING_SETUP, nil, kill},
		{"setuid", unix.SYS_SETUID, nil, kill},
		{"capset", unix.SYS_CAPSET, nil, kill},
		{"seccomp", unix.SYS_SECCOMP, nil, kill},
		{"prlimit64", unix.SYS_PRLIMIT64, nil, kill},
		{"unknown", 100_000, nil, kill},
	} {
		if got := verdict(t, auditArchX86_64, c.nr, c.args...); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if got := verdict(t, auditArchI386, 4 /* write */); got != kill {
		t.Errorf("i386: got %v, want %v", got, kill)
	}
	if got := verdict(t, auditArchX86_64, x32Bit|unix.SYS_WRITE); got == allow {
		t.Error("x32 is allowed")
	}
}
