package seccomp

import (
	"fmt"
	"slices"

	libseccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Filter is an assembled program for seccomp(2), SECCOMP_SET_MODE_FILTER.
type Filter []unix.SockFilter

// Options are what of a filter depends on machine and sandbox.
type Options struct {
	// Sysctls has opens for writing trapped too: see [CanWriteSysctl].
	Sysctls bool
	// HostSockets lets the kernel make TCP and UDP sockets: what they may be used
	// for is judged by the calls that need it.
	HostSockets bool
}

// Build assembles the filter for the machine it runs on.
func Build(o Options) (Filter, error) {
	return build(table(o), libseccomp.ActionTrace)
}

// build assembles rules, in which calls that are trapped return trapped.
func build(rules []rule, trapped libseccomp.Action, extra ...leaf) (Filter, error) {
	insns, err := assemble(rules, trapped, extra...)
	if err != nil {
		return nil, err
	}
	return assembled(insns)
}

// Trapped says whether a rule of the filter traps call nr under some
// arguments. A task stopped at any other call was stopped by a filter that
// the program loaded itself.
func (o Options) Trapped(nr int) bool { return trapped[o][nr] }

// Polls says whether the filter of [BuildPolls] traps call nr.
func Polls(nr int) bool { return slices.Contains(pollNumbers, uint32(nr)) }

// trapped are the numbers of the calls that are trapped, notified the rules of those
// that the engine notify is told of.
var trapped, notified = byNumber()

func byNumber() (trapped map[Options]map[int]bool, notified map[Options]map[int][]rule) {
	trapped, notified = map[Options]map[int]bool{}, map[Options]map[int][]rule{}
	info, err := arch.GetInfo("")
	if err != nil {
		return // Build fails for the same reason, before any task runs.
	}
	for _, o := range []Options{{}, {Sysctls: true}, {HostSockets: true}, {Sysctls: true, HostSockets: true}} {
		trapped[o], notified[o] = map[int]bool{}, map[int][]rule{}
		for _, r := range table(o) {
			nr, ok := info.SyscallNames[r.name]
			if !ok {
				continue
			}
			trapped[o][nr] = r.act == trap || r.act == look
			if r.act == trap {
				notified[o][nr] = append(notified[o][nr], r)
			}
		}
	}
	return
}

// Offsets in struct seccomp_data of <linux/seccomp.h>.
const (
	offNR   = 0
	offArch = 4
	wordLen = 4
	// x32Bit is __X32_SYSCALL_BIT of <asm/unistd.h>. No native number reaches
	// it; of other machines than x86 neither, so that -1 is ENOSYS there too.
	x32Bit = 0x40000000
)

// leaf is a rule with its number on this machine.
type leaf struct {
	nr   uint32
	rule rule
}

// assemble makes a program of rules, in which calls that are trapped return trapped,
// and of extra leaves, whose numbers are above all others.
func assemble(rules []rule, trapped libseccomp.Action, extra ...leaf) ([]bpf.Instruction, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	leaves, err := number(rules, info)
	if err != nil {
		return nil, err
	}
	leaves = append(leaves, extra...)
	b := builder{Program: libseccomp.NewProgram(), trapped: trapped}
	b.allow, b.enosys = b.NewLabel(), b.NewLabel()
	b.JmpIfTrue(bpf.JumpGreaterOrEqual, x32Bit, b.enosys)
	b.tree(leaves)
	b.SetLabel(b.enosys)
	b.Ret(errno(unix.ENOSYS))
	b.SetLabel(b.allow)
	b.Ret(libseccomp.ActionAllow)
	body, err := b.Assemble()
	if err != nil {
		return nil, fmt.Errorf("seccomp: assemble: %w", err)
	}
	head := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offArch, Size: wordLen},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(info.ID), SkipTrue: 1},
		bpf.RetConstant{Val: uint32(errno(unix.ENOSYS))},
		bpf.LoadAbsolute{Off: offNR, Size: wordLen},
	}
	for i, insn := range body {
		if insn == (bpf.RetConstant{Val: uint32(returnsZero)}) {
			body[i] = bpf.RetConstant{Val: uint32(libseccomp.ActionErrno)}
		}
	}
	return append(head, body...), nil
}

// number finds the numbers of rules on this machine, and sorts them by those.
func number(rules []rule, info *arch.Info) ([]leaf, error) {
	leaves := make([]leaf, 0, len(rules))
	for _, r := range rules {
		nr, ok := info.SyscallNames[r.name]
		if !ok {
			return nil, fmt.Errorf("seccomp: %s has no system call %s", info.Name, r.name)
		}
		leaves = append(leaves, leaf{uint32(nr), r})
	}
	slices.SortFunc(leaves, func(a, b leaf) int { return int(a.nr) - int(b.nr) })
	return leaves, nil
}

// returnsZero stands for an errno action with errno 0 until the end: the
// library's Ret turns that one into EPERM. MAX_ERRNO is the errno of no call.
const returnsZero = libseccomp.ActionErrno | 4095

func errno(e unix.Errno) libseccomp.Action {
	return libseccomp.ActionErrno | libseccomp.Action(e)
}

// builder writes the decision tree. The accumulator holds the call's number
// in the tree, and an argument's half in a leaf, which never goes back.
type builder struct {
	libseccomp.Program
	allow, enosys libseccomp.Label
	trapped       libseccomp.Action
}

func (b *builder) tree(leaves []leaf) {
	if len(leaves) == 1 {
		b.JmpIfTrue(bpf.JumpNotEqual, leaves[0].nr, b.allow)
		b.leaf(leaves[0].rule)
		return
	}
	mid := len(leaves) / 2
	upper := b.NewLabel()
	b.JmpIfTrue(bpf.JumpGreaterOrEqual, leaves[mid].nr, upper)
	b.tree(leaves[:mid])
	b.SetLabel(upper)
	b.tree(leaves[mid:])
}

func (b *builder) leaf(r rule) {
	match := b.NewLabel()
	for i, tests := range r.when {
		next := b.allow
		if i < len(r.when)-1 {
			next = b.NewLabel()
		}
		for j, t := range tests {
			ok := match
			if j < len(tests)-1 {
				ok = b.NewLabel()
			}
			b.test(t, ok, next)
			if ok != match {
				b.SetLabel(ok)
			}
		}
		if next != b.allow {
			b.SetLabel(next)
		}
	}
	b.SetLabel(match)
	b.Ret(r.act.ret(b.trapped))
}

func (b *builder) test(t test, ok, no libseccomp.Label) {
	switch t.op {
	case nonzero:
		b.LdHi(t.arg)
		b.JmpIfTrue(bpf.JumpNotEqual, 0, ok)
	case zero:
		b.LdHi(t.arg)
		b.JmpIfTrue(bpf.JumpNotEqual, 0, no)
	}
	b.LdLo(t.arg)
	switch t.op {
	case nonzero, differs32:
		b.JmpIf(bpf.JumpNotEqual, t.val, ok, no)
	case zero, equal32:
		b.JmpIf(bpf.JumpEqual, t.val, ok, no)
	case from32:
		b.JmpIf(bpf.JumpGreaterOrEqual, t.val, ok, no)
	case upto32:
		b.JmpIf(bpf.JumpLessOrEqual, t.val, ok, no)
	case anyBit32:
		b.JmpIf(bpf.JumpBitsSet, t.val, ok, no)
	case noBit32:
		b.JmpIf(bpf.JumpBitsNotSet, t.val, ok, no)
	}
}

func (a action) ret(trapped libseccomp.Action) libseccomp.Action {
	switch a {
	case trap:
		return trapped
	case look:
		return libseccomp.ActionTrace
	case refuse:
		return errno(unix.EPERM)
	case missing:
		return errno(unix.ENOSYS)
	default:
		return returnsZero
	}
}
