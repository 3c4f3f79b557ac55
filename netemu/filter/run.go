package filter

import (
	"encoding/binary"
	"math/rand/v2"

	"golang.org/x/sys/unix"
)

// Offsets of loads that are not of the packet's bytes (<linux/filter.h>), as
// the unsigned numbers that they are in an instruction.
const (
	linkHeader    = 1<<32 - 0x200000 // SKF_LL_OFF
	networkHeader = 1<<32 - 0x100000 // SKF_NET_OFF
	ancillary     = 1<<32 - 0x1000   // SKF_AD_OFF

	lastAncillary = 60 // SKF_AD_VLAN_TPID
)

// What is loaded at [ancillary] and beyond: SKF_AD_*. The others are 0 here: no
// netlink attributes, marks, queues, hashes or VLANs.
const (
	adProtocol     = 0
	adPacketType   = 4
	adInterface    = 8
	adHardwareType = 28
	adCPU          = 36
	adXorX         = 40
	adPayload      = 52
	adRandom       = 56
)

// Packet is what a filter sees. The loads at positive offsets are of Data.
// Network is where the IP header begins in Data, negative if there is none; the
// link header, if any, begins where Data does.
type Packet struct {
	Data         []byte
	Network      int
	Protocol     uint16 // EtherType
	PacketType   uint8  // PACKET_HOST and so on
	Interface    int32
	HardwareType uint16 // ARPHRD_*
}

// machine is the state of a run.
type machine struct {
	p       *Packet
	a, x    uint32
	scratch [scratchWords]uint32
	// result ends the run, when done.
	result uint32
	done   bool
}

// Run says how many bytes of the packet to keep; 0: drop it.
func (p *Program) Run(pkt *Packet) uint32 {
	m := machine{p: pkt}
	for pc := 0; pc < len(p.code) && !m.done; pc++ {
		pc += m.step(p.code[pc])
	}
	return m.result
}

// step runs an instruction and says how many to skip.
func (m *machine) step(in instruction) int {
	switch in.code & classMask {
	case unix.BPF_LD:
		m.a = m.load(in)
	case unix.BPF_LDX:
		if in.code == unix.BPF_LDX|unix.BPF_B|unix.BPF_MSH {
			m.x = m.bytes(in.k, 1) & 0xf * 4
			break
		}
		m.x = m.load(in)
	case unix.BPF_ST:
		m.scratch[in.k] = m.a
	case unix.BPF_STX:
		m.scratch[in.k] = m.x
	case unix.BPF_ALU:
		m.calculate(in)
	case unix.BPF_JMP:
		return m.jump(in)
	case unix.BPF_RET:
		m.result, m.done = in.k, true
		if in.code == unix.BPF_RET|unix.BPF_A {
			m.result = m.a
		}
	case unix.BPF_MISC:
		if in.code == unix.BPF_MISC|unix.BPF_TAX {
			m.x = m.a
		} else {
			m.a = m.x
		}
	}
	return 0
}

// load is the value of a load to either register.
func (m *machine) load(in instruction) uint32 {
	size := 4
	switch in.code & sizeMask {
	case unix.BPF_H:
		size = 2
	case unix.BPF_B:
		size = 1
	}
	switch in.code & modeMask {
	case unix.BPF_IMM:
		return in.k
	case unix.BPF_MEM:
		return m.scratch[in.k]
	case unix.BPF_LEN:
		return uint32(len(m.p.Data))
	case unix.BPF_ABS:
		if in.k >= ancillary {
			return m.ancillary(in.k - ancillary)
		}
		return m.bytes(in.k, size)
	default: // BPF_IND
		return m.bytes(in.k+m.x, size)
	}
}

// bytes loads from the packet; a load outside of it ends the run, and drops the
// packet (bpf_internal_load_pointer_neg_helper for the negative offsets).
func (m *machine) bytes(offset uint32, size int) uint32 {
	at := int(offset)
	switch {
	case offset >= networkHeader && m.p.Network >= 0:
		at = int(offset-networkHeader) + m.p.Network
	case offset >= networkHeader:
		at = -1
	case offset >= linkHeader:
		at = int(offset - linkHeader)
	case offset > 1<<31-1:
		at = -1
	}
	if at < 0 || at+size > len(m.p.Data) {
		m.done = true
		return 0
	}
	b := m.p.Data[at:]
	switch size {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(binary.BigEndian.Uint16(b))
	default:
		return binary.BigEndian.Uint32(b)
	}
}

// ancillary is what the kernel knows of a packet beside its bytes.
func (m *machine) ancillary(what uint32) uint32 {
	switch what {
	case adProtocol:
		return uint32(m.p.Protocol)
	case adPacketType:
		return uint32(m.p.PacketType)
	case adInterface:
		return uint32(m.p.Interface)
	case adHardwareType:
		return uint32(m.p.HardwareType)
	case adXorX:
		return m.a ^ m.x
	case adPayload:
		return uint32(max(m.p.Network, 0))
	case adRandom:
		return rand.Uint32()
	case adCPU:
		return 0
	}
	return 0
}

func (m *machine) calculate(in instruction) {
	v := in.k
	if in.code&unix.BPF_X != 0 {
		v = m.x
	}
	switch in.code & opMask {
	case unix.BPF_ADD:
		m.a += v
	case unix.BPF_SUB:
		m.a -= v
	case unix.BPF_MUL:
		m.a *= v
	case unix.BPF_DIV, unix.BPF_MOD:
		m.divide(in.code&opMask, v)
	case unix.BPF_AND:
		m.a &= v
	case unix.BPF_OR:
		m.a |= v
	case unix.BPF_XOR:
		m.a ^= v
	case unix.BPF_LSH:
		m.a <<= v & 31
	case unix.BPF_RSH:
		m.a >>= v & 31
	case unix.BPF_NEG:
		m.a = -m.a
	}
}

// divide drops the packet where the divisor is 0.
func (m *machine) divide(op uint16, v uint32) {
	switch {
	case v == 0:
		m.done = true
	case op == unix.BPF_DIV:
		m.a /= v
	default:
		m.a %= v
	}
}

func (m *machine) jump(in instruction) int {
	v := in.k
	if in.code&unix.BPF_X != 0 {
		v = m.x
	}
	var yes bool
	switch in.code & opMask {
	case unix.BPF_JA:
		return int(in.k)
	case unix.BPF_JEQ:
		yes = m.a == v
	case unix.BPF_JGT:
		yes = m.a > v
	case unix.BPF_JGE:
		yes = m.a >= v
	case unix.BPF_JSET:
		yes = m.a&v != 0
	}
	if yes {
		return int(in.jt)
	}
	return int(in.jf)
}
