package seccomp

import (
	"testing"

	"golang.org/x/net/bpf"
)

// TestPolls runs the second filter over every call.
func TestPolls(t *testing.T) {
	f, err := BuildPolls()
	if err != nil {
		t.Fatal(err)
	}
	var insns []bpf.Instruction
	for _, i := range f {
		insns = append(insns, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K}.Disassemble())
	}
	vm, err := bpf.NewVM(insns)
	if err != nil {
		t.Fatal(err)
	}
	info := machine(t)
	want := map[string]bool{}
	for _, name := range polls {
		want[name] = true
	}
	for name, nr := range info.SyscallNames {
		verdict := allow
		if want[name] {
			verdict = trace
		}
		if got, err := vm.Run(data(uint32(info.ID), uint32(nr), [6]uint64{})); err != nil || uint32(got) != verdict {
			t.Errorf("%s: %#x, %v; want %#x", name, got, err, verdict)
		}
		if Polls(nr) != want[name] {
			t.Errorf("Polls(%s) = %v", name, Polls(nr))
		}
	}
	// With struct sock_fprog it must fit the engine's scratch memory.
	if n := len(f)*8 + 16; n > 128 {
		t.Errorf("%d bytes", n)
	}
}
