package seccomp

import (
	"errors"
	"fmt"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	libseccomp "github.com/elastic/go-seccomp-bpf"
)

// polls are the calls that wait for descriptors. Not every machine has all.
var polls = []string{"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2"}

// pollNumbers are those that this machine has, by number.
var pollNumbers = func() []uint32 {
	info, err := arch.GetInfo("")
	if err != nil {
		return nil // Build fails for the same reason.
	}
	var numbers []uint32
	for _, name := range polls {
		if nr, ok := info.SyscallNames[name]; ok {
			numbers = append(numbers, uint32(nr))
		}
	}
	return numbers
}()

var errNoPolls = errors.New("seccomp: the machine's system calls are not known")

// BuildPolls assembles a second filter, which traps the calls that wait for
// descriptors. It is for the processes that have mapped a packet ring, and theirs
// to pay for; of two filters the stricter answer counts.
func BuildPolls() (Filter, error) {
	if len(pollNumbers) == 0 {
		return nil, errNoPolls
	}
	// A foreign call has been refused by the first filter.
	insns := []bpf.Instruction{bpf.LoadAbsolute{Off: offNR, Size: wordLen}}
	for i, nr := range pollNumbers {
		insns = append(insns, bpf.JumpIf{Cond: bpf.JumpEqual, Val: nr, SkipTrue: uint8(len(pollNumbers) - i)})
	}
	insns = append(insns, bpf.RetConstant{Val: uint32(libseccomp.ActionAllow)}, bpf.RetConstant{Val: uint32(libseccomp.ActionTrace)})
	return assembled(insns)
}

// assembled encodes a program.
func assembled(insns []bpf.Instruction) (Filter, error) {
	raw, err := bpf.Assemble(insns)
	if err != nil {
		return nil, fmt.Errorf("seccomp: assemble: %w", err)
	}
	f := make(Filter, len(raw))
	for i, r := range raw {
		f[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return f, nil
}
