package netlink

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// op is a struct inet_diag_bc_op with its arguments.
func op(code, yes byte, no uint16, arguments ...[]byte) []byte {
	b := []byte{code, yes, 0, 0}
	binary.NativeEndian.PutUint16(b[2:], no)
	for _, a := range arguments {
		b = append(b, a...)
	}
	return b
}

// port is a command whose argument is a port, as the only one of a filter.
func portOp(code byte, port uint16) []byte { return op(code, 8, 12, op(0, 0, port)) }

// hostOp is a condition on an address, as the only one of a filter.
func hostOp(code byte, prefix string, port int32) []byte {
	cond := make([]byte, sizeofHostcond)
	var addr []byte
	if prefix != "" {
		p := netip.MustParsePrefix(prefix)
		addr = p.Addr().AsSlice()
		cond[0], cond[1] = unix.AF_INET6, byte(p.Bits())
		if p.Addr().Is4() {
			cond[0] = unix.AF_INET
		}
	}
	binary.NativeEndian.PutUint32(cond[4:], uint32(port))
	size := byte(sizeofOp + sizeofHostcond + len(addr))
	return op(code, size, uint16(size)+4, cond, addr)
}

func joined(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// filters are filters that hold for some sockets and not for others.
func filters() map[string][]byte {
	return map[string][]byte{
		"everything":         op(bcNop, 4, 4),
		"nothing":            op(bcJmp, 4, 8),
		"sport >= 8001":      portOp(bcSGE, 8001),
		"sport <= 8001":      portOp(bcSLE, 8001),
		"sport = 8001":       portOp(bcSEQ, 8001),
		"dport >= 8001":      portOp(bcDGE, 8001),
		"dport <= 8000":      portOp(bcDLE, 8000),
		"dport = 8000":       portOp(bcDEQ, 8000),
		"src 127.0.0.1":      hostOp(bcSCond, "127.0.0.1/32", -1),
		"src 127.0.0.0/9":    hostOp(bcSCond, "127.0.0.0/9", 8000),
		"src 10.0.0.0/7":     hostOp(bcSCond, "10.0.0.0/7", -1),
		"dst 10.0.2.8/31":    hostOp(bcDCond, "10.0.2.8/31", 81),
		"src ::1":            hostOp(bcSCond, "::1/128", -1),
		"src ::/0":           hostOp(bcSCond, "::/0", -1),
		"src any, port 8002": hostOp(bcSCond, "", 8002),
		"dst ::ffff:0:0/96":  hostOp(bcDCond, "::ffff:0:0/96", -1),
		"no device":          op(bcDevCond, 8, 12, word(0)),
		"by lo":              op(bcDevCond, 8, 12, word(1)),
		// As ss makes "sport = :8000 or dport = :8000".
		"or":  joined(op(bcSEQ, 8, 12, op(0, 0, 8000)), op(bcJmp, 4, 12), op(bcDEQ, 8, 12, op(0, 0, 8000))),
		"and": joined(op(bcSEQ, 8, 20, op(0, 0, 8000)), op(bcDEQ, 8, 12, op(0, 0, 9000))),
	}
}

// brokenFilters are those that audit must refuse; a comment says what is wrong
// where it is not plain.
func brokenFilters() map[string][]byte {
	return map[string][]byte{
		"empty":                   {},
		"three bytes":             {1, 2, 3},
		"code that is not":        op(200, 4, 4),
		"yes 0":                   op(bcNop, 0, 4),
		"yes not a word":          op(bcNop, 5, 4),
		"yes beyond the end":      op(bcNop, 8, 4),
		"no far beyond the end":   op(bcJmp, 4, 12),
		"no into itself":          op(bcJmp, 4, 0),
		"no not a word":           op(bcJmp, 4, 6),
		"no into an argument":     joined(op(bcJmp, 4, 8), portOp(bcSEQ, 1)),
		"port missing":            op(bcSGE, 4, 4),
		"yes into an argument":    op(bcSGE, 4, 8, make([]byte, 4)),
		"device missing":          op(bcDevCond, 4, 4),
		"condition missing":       op(bcSCond, 4, 4),
		"family that is not":      op(bcSCond, 12, 16, []byte{99, 0, 0, 0, 0, 0, 0, 0}),
		"address missing":         op(bcSCond, 12, 16, []byte{unix.AF_INET6, 0, 0, 0, 0, 0, 0, 0}),
		"prefix of 33 bits":       op(bcSCond, 16, 20, []byte{unix.AF_INET, 33, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}),
		"prefix without a family": op(bcSCond, 12, 16, []byte{0, 1, 0, 0, 0, 0, 0, 0}),
		"cgroup missing":          op(bcCgroupCond, 4, 4),
		"bytes behind":            append(op(bcNop, 4, 4), 0, 0),
	}
}

func TestBrokenFiltersAreRefused(t *testing.T) {
	for name, code := range brokenFilters() {
		if errno := audit(code); errno != unix.EINVAL {
			t.Errorf("%s: %v", name, errno)
		}
	}
	if errno := audit(op(bcMarkCond, 12, 16, make([]byte, 8))); errno != unix.EPERM {
		t.Errorf("by mark: %v", errno)
	}
	for name, code := range filters() {
		if errno := audit(code); errno != 0 {
			t.Errorf("%s: %v", name, errno)
		}
	}
}

// FuzzFilter runs every filter that audit lets through.
func FuzzFilter(f *testing.F) {
	for _, set := range []map[string][]byte{filters(), brokenFilters()} {
		for _, code := range set {
			f.Add(code, []byte{127, 0, 0, 1}, uint16(8000))
		}
	}
	f.Fuzz(func(t *testing.T, code, address []byte, port uint16) {
		if audit(code) != 0 {
			return
		}
		addr, _ := netip.AddrFromSlice(address)
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			bytecode(code).run(&Socket{Family: family, Local: netip.AddrPortFrom(addr, port)})
		}
	})
}
