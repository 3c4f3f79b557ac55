package icmp

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The socket filters. A raw ICMP socket is given a copy of every ICMP packet
// that reaches the host. These programs, run by the kernel before a packet is
// queued, let through only echo replies whose identifier is one of ours, and
// ICMP errors that quote an echo request with such an identifier: id&mask ==
// base.
//
// A raw IPv4 socket's filter sees the packet from its IP header, a raw IPv6
// one's from the ICMPv6 header (linux/net/ipv4/raw.c raw_local_deliver pushes
// the header back; linux/net/ipv6/raw.c does not). A load behind the end of a
// packet drops it.

// accept is the length returned for a packet that passes: all of it.
const accept = 1 << 18

// ownID ends a program: it drops the packet unless the identifier loaded into
// A is ours.
func ownID(base, mask uint16) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(mask)},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(base), SkipFalse: 1},
		bpf.RetConstant{Val: accept},
		bpf.RetConstant{Val: 0},
	}
}

// filter4 is the program for a raw ICMP socket. X is the offset of the
// quoted packet, less the ICMP header, and then of the quoted ICMP header.
func filter4(base, mask uint16) []bpf.Instruction {
	const icmpHeader, innerProto = 8, 8 + 9
	program := []bpf.Instruction{
		bpf.LoadMemShift{Off: 0}, // X = length of the IP header
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv4EchoReply, SkipTrue: 15},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv4Unreachable, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv4TimeExceeded, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv4ParamProblem, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadIndirect{Off: innerProto, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoICMP, SkipTrue: 8},
		bpf.LoadIndirect{Off: icmpHeader, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: icmpHeader},
		bpf.TAX{}, // X = offset of the quoted ICMP header
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv4EchoRequest, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadIndirect{Off: 4, Size: 2}, // the identifier, quoted or not
	}
	return append(program, ownID(base, mask)...)
}

// filter6 is the program for a raw ICMPv6 socket. X is the offset of the ICMP
// header whose identifier counts.
func filter6(base, mask uint16) []bpf.Instruction {
	const innerNext, inner, innerBehindFragment = 8 + 6, 8 + 40, 8 + 40 + 8
	program := []bpf.Instruction{
		bpf.LoadConstant{Dst: bpf.RegX, Val: 0},
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv6EchoReply, SkipTrue: 13},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: icmpv6Unreachable, SkipTrue: 11},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: icmpv6ParamProblem, SkipTrue: 10},
		bpf.LoadConstant{Dst: bpf.RegX, Val: inner},
		bpf.LoadAbsolute{Off: innerNext, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoICMPv6, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoFragment, SkipTrue: 6},
		bpf.LoadConstant{Dst: bpf.RegX, Val: innerBehindFragment},
		bpf.LoadAbsolute{Off: inner, Size: 1}, // the fragment header's next header
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoICMPv6, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv6EchoRequest, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadIndirect{Off: 4, Size: 2}, // the identifier, quoted or not
	}
	return append(program, ownID(base, mask)...)
}

// dropAll is the program for a socket that only sends.
var dropAll = []bpf.Instruction{bpf.RetConstant{Val: 0}}

// attachFilter sets program as fd's socket filter (SO_ATTACH_FILTER).
func attachFilter(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble socket filter: %w", err)
	}
	insns := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		insns[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(insns)), Filter: &insns[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("SO_ATTACH_FILTER: %w", err)
	}
	return nil
}
