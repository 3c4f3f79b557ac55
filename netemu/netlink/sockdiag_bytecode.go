package netlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// bytecode is the filter of a dump (INET_DIAG_REQ_BYTECODE) that audit has
// approved: commands of at least 4 bytes, a code, and how many bytes to go on
// when it holds ("yes") and when not ("no"), forward only. The code is accepted
// at the end, and rejected by a jump beyond it
// (net/ipv4/inet_diag.c: inet_diag_bc_audit, inet_diag_bc_run).
type bytecode []byte

// sizeofOp is the size of struct inet_diag_bc_op in bytes.
const sizeofOp = 4

// Codes (INET_DIAG_BC_*).
const (
	bcNop = iota
	bcJmp
	bcSGE
	bcSLE
	bcDGE
	bcDLE
	bcAuto
	bcSCond
	bcDCond
	bcDevCond
	bcMarkCond
	bcSEQ
	bcDEQ
	bcCgroupCond
)

// argumentSizes are the fixed sizes in bytes of what follows a command. A port
// is in the "no" of another command; bcSCond and bcDCond have an address behind
// their struct inet_diag_hostcond.
var argumentSizes = map[byte]int{
	bcNop: 0, bcJmp: 0, bcAuto: 0,
	bcSGE: sizeofOp, bcSLE: sizeofOp, bcDGE: sizeofOp, bcDLE: sizeofOp, bcSEQ: sizeofOp, bcDEQ: sizeofOp,
	bcSCond: sizeofHostcond, bcDCond: sizeofHostcond, bcDevCond: 4, bcCgroupCond: 8,
}

func (c bytecode) yes() int { return int(c[1]) }
func (c bytecode) no() int  { return int(binary.NativeEndian.Uint16(c[2:])) }

// audit checks a filter: EINVAL, or EPERM for one by mark, which takes
// CAP_NET_ADMIN.
func audit(code bytecode) unix.Errno {
	if len(code) < sizeofOp {
		return unix.EINVAL
	}
	starts := map[int]bool{len(code): true}
	var jumps []int
	at := 0
	for at < len(code) {
		rest := code[at:]
		size, errno := commandSize(rest)
		if errno != 0 {
			return errno
		}
		if rest[0] != bcNop {
			if !validJump(rest.no(), size, len(rest)) {
				return unix.EINVAL
			}
			if rest.no() < len(rest) {
				jumps = append(jumps, at+rest.no())
			}
		}
		if !validJump(rest.yes(), size, len(rest)) {
			return unix.EINVAL
		}
		starts[at] = true
		at += rest.yes()
	}
	for _, to := range jumps {
		if !starts[to] {
			return unix.EINVAL
		}
	}
	if at != len(code) {
		return unix.EINVAL
	}
	return 0
}

// validJump says whether a command of size bytes, with rest bytes from it to the
// end, may go on n bytes from its start: whole words, and at most one beyond
// the end.
func validJump(n, size, rest int) bool {
	return n >= size && n <= rest+sizeofOp && n%sizeofOp == 0
}

// commandSize is the size of the first command in bytes, with its argument.
func commandSize(code bytecode) (int, unix.Errno) {
	if len(code) < sizeofOp {
		return 0, unix.EINVAL
	}
	if code[0] == bcMarkCond {
		return 0, unix.EPERM
	}
	size, ok := argumentSizes[code[0]]
	if size += sizeofOp; !ok || len(code) < size {
		return 0, unix.EINVAL
	}
	if code[0] == bcSCond || code[0] == bcDCond {
		length, known := addressBytes[code[sizeofOp]]
		bits := int(code[sizeofOp+1])
		if size += length; !known || len(code) < size || bits > 8*length {
			return 0, unix.EINVAL
		}
	}
	return size, 0
}

// run says whether the filter lets s through. Nothing is known of cgroups, nor
// of who chose a port, so that no socket is of a cgroup or bound by the kernel.
func (c bytecode) run(s *Socket) bool {
	for len(c) > 0 {
		n := c.no()
		if c.holds(s) {
			n = c.yes()
		}
		if n > len(c) {
			return false
		}
		c = c[n:]
	}
	return true
}

// holds says whether the first command does.
func (c bytecode) holds(s *Socket) bool {
	argument := c[sizeofOp:]
	switch c[0] {
	case bcNop:
		return true
	case bcSGE:
		return s.number() >= bytecode(argument).port()
	case bcSLE:
		return s.number() <= bytecode(argument).port()
	case bcDGE:
		return s.Remote.Port() >= bytecode(argument).port()
	case bcDLE:
		return s.Remote.Port() <= bytecode(argument).port()
	case bcSEQ:
		return s.number() == bytecode(argument).port()
	case bcDEQ:
		return s.Remote.Port() == bytecode(argument).port()
	case bcSCond:
		return matchHost(argument, s.Family, s.Local.Addr(), s.number())
	case bcDCond:
		return matchHost(argument, s.Family, s.Remote.Addr(), s.Remote.Port())
	case bcDevCond:
		return binary.NativeEndian.Uint32(argument) == s.Interface
	}
	return false // bcJmp, bcAuto, bcCgroupCond
}

// port is the number in a command that is an argument.
func (c bytecode) port() uint16 { return binary.NativeEndian.Uint16(c[2:]) }
