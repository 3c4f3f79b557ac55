package filter

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const (
	// SizeofInstruction is sizeof(struct sock_filter), in bytes.
	SizeofInstruction = 8
	// maxInstructions is BPF_MAXINSNS (<linux/bpf_common.h>).
	maxInstructions = 4096
	// scratchWords is BPF_MEMWORDS (<linux/filter.h>).
	scratchWords = 16
)

// instruction is struct sock_filter.
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// Program is a filter that was found valid.
type Program struct{ code []instruction }

// New makes a program of an array of struct sock_filter. EINVAL: the kernel
// would not take it.
func New(raw []byte) (*Program, unix.Errno) {
	n := len(raw) / SizeofInstruction
	if n == 0 || n > maxInstructions || len(raw)%SizeofInstruction != 0 {
		return nil, unix.EINVAL
	}
	p := &Program{code: make([]instruction, n)}
	ne := binary.NativeEndian
	for i := range p.code {
		b := raw[i*SizeofInstruction:]
		p.code[i] = instruction{ne.Uint16(b), b[2], b[3], ne.Uint32(b[4:])}
	}
	for i, in := range p.code {
		if !in.valid(n - i) {
			return nil, unix.EINVAL
		}
	}
	last := p.code[n-1].code
	if last != unix.BPF_RET|unix.BPF_K && last != unix.BPF_RET|unix.BPF_A || !p.storesBeforeLoads() {
		return nil, unix.EINVAL
	}
	return p, 0
}

// Len is the number of instructions, and Bytes the array they were made of.
func (p *Program) Len() int { return len(p.code) }

// Bytes encodes the program as SO_GET_FILTER tells it.
func (p *Program) Bytes() []byte {
	b := make([]byte, 0, len(p.code)*SizeofInstruction)
	for _, in := range p.code {
		b = binary.NativeEndian.AppendUint16(b, in.code)
		b = append(b, in.jt, in.jf)
		b = binary.NativeEndian.AppendUint32(b, in.k)
	}
	return b
}

// known are the codes of chk_code_allowed.
var known = func() map[uint16]bool {
	m := map[uint16]bool{
		unix.BPF_RET | unix.BPF_K: true, unix.BPF_RET | unix.BPF_A: true,
		unix.BPF_MISC | unix.BPF_TAX: true, unix.BPF_MISC | unix.BPF_TXA: true,
		unix.BPF_ST: true, unix.BPF_STX: true, unix.BPF_ALU | unix.BPF_NEG: true,
		unix.BPF_JMP | unix.BPF_JA: true,
		unix.BPF_LD | unix.BPF_IMM: true, unix.BPF_LD | unix.BPF_MEM: true, unix.BPF_LD | unix.BPF_W | unix.BPF_LEN: true,
		unix.BPF_LDX | unix.BPF_IMM: true, unix.BPF_LDX | unix.BPF_MEM: true, unix.BPF_LDX | unix.BPF_W | unix.BPF_LEN: true,
		unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH: true,
	}
	for _, size := range []uint16{unix.BPF_W, unix.BPF_H, unix.BPF_B} {
		m[unix.BPF_LD|size|unix.BPF_ABS] = true
		m[unix.BPF_LD|size|unix.BPF_IND] = true
	}
	for _, op := range []uint16{
		unix.BPF_ADD, unix.BPF_SUB, unix.BPF_MUL, unix.BPF_DIV, unix.BPF_MOD, unix.BPF_AND, unix.BPF_OR,
		unix.BPF_XOR, unix.BPF_LSH, unix.BPF_RSH,
	} {
		m[unix.BPF_ALU|op|unix.BPF_K] = true
		m[unix.BPF_ALU|op|unix.BPF_X] = true
	}
	for _, op := range []uint16{unix.BPF_JEQ, unix.BPF_JGT, unix.BPF_JGE, unix.BPF_JSET} {
		m[unix.BPF_JMP|op|unix.BPF_K] = true
		m[unix.BPF_JMP|op|unix.BPF_X] = true
	}
	return m
}()

// valid makes the checks of bpf_check_classic for an instruction; left counts it
// and those after it.
func (in instruction) valid(left int) bool {
	if !known[in.code] {
		return false
	}
	switch in.code {
	case unix.BPF_ALU | unix.BPF_DIV | unix.BPF_K, unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K:
		return in.k != 0
	case unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K, unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K:
		return in.k < 32
	case unix.BPF_LD | unix.BPF_MEM, unix.BPF_LDX | unix.BPF_MEM, unix.BPF_ST, unix.BPF_STX:
		return in.k < scratchWords
	case unix.BPF_JMP | unix.BPF_JA:
		return in.k < uint32(left-1)
	}
	switch in.code & classMask {
	case unix.BPF_JMP:
		return int(in.jt)+1 < left && int(in.jf)+1 < left
	case unix.BPF_LD:
		if in.code&modeMask == unix.BPF_ABS && in.k >= ancillary {
			return in.k-ancillary <= lastAncillary && (in.k-ancillary)%4 == 0
		}
	}
	return true
}

const (
	classMask = 0x07
	sizeMask  = 0x18
	modeMask  = 0xe0
	opMask    = 0xf0
)

// storesBeforeLoads is check_load_and_stores: no path reads a word of scratch
// memory that it has not written.
func (p *Program) storesBeforeLoads() bool {
	const all = 1<<scratchWords - 1
	masks := make([]uint16, len(p.code))
	for i := range masks {
		masks[i] = all
	}
	valid := uint16(0)
	for i, in := range p.code {
		valid &= masks[i]
		switch in.code {
		case unix.BPF_ST, unix.BPF_STX:
			valid |= 1 << in.k
		case unix.BPF_LD | unix.BPF_MEM, unix.BPF_LDX | unix.BPF_MEM:
			if valid>>in.k&1 == 0 {
				return false
			}
		case unix.BPF_JMP | unix.BPF_JA:
			masks[i+1+int(in.k)] &= valid
			valid = all
		default:
			if in.code&classMask == unix.BPF_JMP {
				masks[i+1+int(in.jt)] &= valid
				masks[i+1+int(in.jf)] &= valid
				valid = all
			}
		}
	}
	return true
}
