package filter

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel is a socketpair whose receiving end has filters attached: the
// kernel's own answer to a program.
type kernel struct {
	t    *testing.T
	from int
	to   int
}

func newKernel(t *testing.T) *kernel {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return &kernel{t, fds[0], fds[1]}
}

func (k *kernel) attach(raw []byte) unix.Errno {
	n := len(raw) / SizeofInstruction
	if n > 1<<16-1 {
		k.t.Fatalf("%d instructions", n)
	}
	prog := unix.SockFprog{Len: uint16(n)}
	if n > 0 {
		prog.Filter = (*unix.SockFilter)(unsafe.Pointer(&raw[0]))
	}
	err := unix.SetsockoptSockFprog(k.to, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
	if err == nil {
		return 0
	}
	return err.(unix.Errno)
}

// run sends data through the filter and tells how much came.
func (k *kernel) run(data []byte) uint32 {
	_ = unix.Sendto(k.from, data, 0, nil) // what the filter drops is EPERM
	b := make([]byte, len(data)+1)
	n, _, err := unix.Recvfrom(k.to, b, 0)
	if err != nil {
		return 0
	}
	return uint32(n)
}

func encode(code ...instruction) []byte { return (&Program{code}).Bytes() }

// compare puts one program and packet to both.
func compare(t *testing.T, k *kernel, raw, data []byte) (accepted bool) {
	t.Helper()
	p, errno := New(raw)
	if want := k.attach(raw); errno != want {
		t.Fatalf("%v, the kernel says %v: % x", errno, want, raw)
	}
	if errno != 0 {
		return false
	}
	got := min(p.Run(&Packet{Data: data, Network: -1}), uint32(len(data)))
	if want := k.run(data); got != want {
		t.Fatalf("%d bytes, the kernel keeps %d of %d: % x", got, want, len(data), raw)
	}
	return true
}

// randomProgram is mostly valid: the codes are known ones, jumps short.
func randomProgram(r *rand.Rand, codes []uint16) []byte {
	n := 1 + r.IntN(24)
	code := make([]instruction, n)
	for i := range code {
		in := instruction{code: codes[r.IntN(len(codes))], jt: uint8(r.IntN(4)), jf: uint8(r.IntN(4)), k: uint32(r.IntN(40))}
		switch r.IntN(20) {
		case 0:
			in.k = r.Uint32()
		case 1:
			in.code = uint16(r.Uint32())
		}
		if in.code == unix.BPF_RET|unix.BPF_A && r.IntN(3) > 0 {
			in.code = unix.BPF_LD | unix.BPF_IMM
		}
		code[i] = in
	}
	if r.IntN(8) > 0 {
		code[n-1] = instruction{code: unix.BPF_RET | unix.BPF_A}
	}
	return encode(code...)
}

// TestKernelAgrees puts random programs to the kernel and to New and Run.
func TestKernelAgrees(t *testing.T) {
	k := newKernel(t)
	r := rand.New(rand.NewPCG(1, 2))
	var codes []uint16
	for c := range known {
		codes = append(codes, c)
	}
	accepted := 0
	for range 20000 {
		data := make([]byte, 1+r.IntN(64))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		if compare(t, k, randomProgram(r, codes), data) {
			accepted++
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d valid programs", accepted)
	}
}

// TestBounds: the lengths and jumps at the edges.
func TestBounds(t *testing.T) {
	k := newKernel(t)
	ret := instruction{code: unix.BPF_RET | unix.BPF_K, k: 3}
	long := make([]instruction, maxInstructions)
	for i := range long {
		long[i] = ret
	}
	for name, raw := range map[string][]byte{
		"empty":                  nil,
		"one":                    encode(ret),
		"longest":                encode(long...),
		"longer":                 encode(append(long, ret)...),
		"no return":              encode(instruction{code: unix.BPF_LD | unix.BPF_IMM}),
		"jump to the end":        encode(instruction{code: unix.BPF_JMP | unix.BPF_JA, k: 0}, ret),
		"jump beyond":            encode(instruction{code: unix.BPF_JMP | unix.BPF_JA, k: 1}, ret),
		"jump back":              encode(instruction{code: unix.BPF_JMP | unix.BPF_JA, k: 1<<32 - 1}, ret),
		"branch beyond":          encode(instruction{code: unix.BPF_JMP | unix.BPF_JEQ, jf: 1}, ret),
		"unknown ancillary":      encode(instruction{code: unix.BPF_LD | unix.BPF_ABS, k: ancillary + 64}, ret),
		"crooked ancillary":      encode(instruction{code: unix.BPF_LD | unix.BPF_ABS, k: ancillary + 2}, ret),
		"last ancillary":         encode(instruction{code: unix.BPF_LD | unix.BPF_ABS, k: ancillary + lastAncillary}, ret),
		"division by zero":       encode(instruction{code: unix.BPF_ALU | unix.BPF_DIV}, ret),
		"division by register 0": encode(instruction{code: unix.BPF_ALU | unix.BPF_DIV | unix.BPF_X}, ret),
		"scratch unwritten":      encode(instruction{code: unix.BPF_LD | unix.BPF_MEM}, ret),
		"scratch written":        encode(instruction{code: unix.BPF_ST}, instruction{code: unix.BPF_LD | unix.BPF_MEM}, ret),
		"scratch written on one path": encode(instruction{code: unix.BPF_JMP | unix.BPF_JEQ, k: 9, jt: 1}, instruction{code: unix.BPF_ST},
			instruction{code: unix.BPF_LD | unix.BPF_MEM}, ret),
	} {
		t.Run(name, func(t *testing.T) {
			if name == "longest" && optmemMax(t) < 128<<10 {
				t.Skip("net.core.optmem_max, which bounds a filter's size, is less than Linux 6.7's default")
			}
			compare(t, k, raw, []byte("abcdefgh"))
		})
	}
}

// optmemMax is this machine's net.core.optmem_max, in bytes.
func optmemMax(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/core/optmem_max")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestAncillary: what an AF_UNIX socket cannot show.
func TestAncillary(t *testing.T) {
	pkt := &Packet{Data: []byte("..............E"), Network: 14, Protocol: 0x800, PacketType: 4, Interface: 2, HardwareType: 1}
	for what, want := range map[uint32]uint32{
		ancillary + adProtocol: 0x800, ancillary + adPacketType: 4, ancillary + adInterface: 2,
		ancillary + adHardwareType: 1, ancillary + 48: 0,
	} {
		p, errno := New(encode(instruction{code: unix.BPF_LD | unix.BPF_ABS, k: what}, instruction{code: unix.BPF_RET | unix.BPF_A}))
		if errno != 0 || p.Run(pkt) != want {
			t.Errorf("load at %#x: %d, %v, want %d", what, p.Run(pkt), errno, want)
		}
	}
	for what, want := range map[uint32]uint32{networkHeader: 'E', linkHeader: '.', networkHeader + 1: 0, 15: 0, 1 << 31: 0} {
		p, _ := New(encode(instruction{code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, k: what}, instruction{code: unix.BPF_RET | unix.BPF_A}))
		if got := p.Run(pkt); got != want {
			t.Errorf("byte at %#x: %d, want %d", what, got, want)
		}
	}
}

// FuzzProgram: no program makes Run fail or last.
func FuzzProgram(f *testing.F) {
	f.Add(encode(instruction{code: unix.BPF_RET | unix.BPF_K, k: 1}), []byte("x"), int16(0))
	f.Add(encode(instruction{code: unix.BPF_LD | unix.BPF_ABS, k: networkHeader}, instruction{code: unix.BPF_RET | unix.BPF_A}), []byte("abcdef"), int16(2))
	f.Fuzz(func(t *testing.T, raw, data []byte, network int16) {
		p, errno := New(raw)
		if errno != 0 {
			return
		}
		if string(p.Bytes()) != string(raw) || p.Len() != len(raw)/SizeofInstruction {
			t.Errorf("%d instructions of % x", p.Len(), raw)
		}
		p.Run(&Packet{Data: data, Network: min(int(network), len(data))})
	})
}
