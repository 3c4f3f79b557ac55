package ifreq

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/netlink/netnstest"
	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
)

// host is the sandbox's host, as netnstest makes it.
type host []stack.Interface

func (h host) Interfaces() []stack.Interface { return h }

func sandbox() host {
	p := netip.MustParsePrefix
	return host{
		{Index: 1, Name: "lo", Loopback: true, Up: true, Flags: unix.IFF_LOOPBACK, MTU: 65536, TxQueueLen: 1000,
			Addrs: []stack.Address{{Prefix: p("127.0.0.1/8"), Label: "lo"}, {Prefix: p("::1/128")}}},
		{Index: 2, Name: "eth0", Up: true, Flags: unix.IFF_BROADCAST | unix.IFF_MULTICAST, MTU: 65520, TxQueueLen: 1000, HardwareAddr: [6]byte{2, 0, 0x0a, 0, 2, 0x64},
			Addrs: []stack.Address{{Prefix: p("10.0.2.100/24"), Label: "eth0", Broadcast: netip.MustParseAddr("10.0.2.255")}, {Prefix: p("fd00:2::64/64")}}},
	}
}

// nobody may change anything.
func nobody() *rtnl.Host { return nil }

// memory is a program's memory: the argument at argumentAt, a buffer at
// bufferAt, nothing elsewhere.
type memory struct{ argument, buffer []byte }

const (
	argumentAt = 0x1000
	bufferAt   = 0xfefefefefefefefe

	argumentSize = 256 // as in testdata/ioctls.c
)

func (m *memory) at(addr uint64, n int) []byte {
	for base, area := range map[uint64][]byte{argumentAt: m.argument, bufferAt: m.buffer} {
		if addr >= base && addr-base <= uint64(len(area)) && uint64(n) <= uint64(len(area))-(addr-base) {
			return area[addr-base:][:n]
		}
	}
	return nil
}

func (m *memory) ReadMemory(addr uint64, p []byte) unix.Errno {
	area := m.at(addr, len(p))
	if area == nil {
		return unix.EFAULT
	}
	copy(p, area)
	return 0
}

func (m *memory) WriteMemory(addr uint64, p []byte) unix.Errno {
	area := m.at(addr, len(p))
	if area == nil {
		return unix.EFAULT
	}
	copy(area, p)
	return 0
}

// question is one ioctl.
type question struct {
	socket   Socket
	request  uint32
	argument []byte
}

func (q question) String() string {
	return fmt.Sprintf("family %d type %d request %#x argument %x", q.socket.Family, q.socket.Type, q.request, q.argument)
}

// answer is the question's answer in the words of testdata/ioctls.c.
func (q question) answer() string {
	argument := make([]byte, argumentSize)
	copy(argument, q.argument)
	m := &memory{argument: argument, buffer: bytes.Repeat([]byte{0x55}, 4096)}
	errno := Handle(sandbox(), nobody, q.socket, q.request, argumentAt, m)
	filled := 0
	if n := len(q.argument); n >= 16 && binary.NativeEndian.Uint64(q.argument[n-8:]) == bufferAt {
		filled = min(max(0, int(int32(binary.NativeEndian.Uint32(m.argument)))), len(m.buffer))
	}
	return fmt.Sprintf("%d %s =%s", int(errno), hex.EncodeToString(m.argument[:len(q.argument)]), hex.EncodeToString(m.buffer[:filled]))
}

var sockets = []Socket{
	{unix.AF_INET, unix.SOCK_STREAM}, {unix.AF_INET, unix.SOCK_DGRAM},
	{unix.AF_INET6, unix.SOCK_STREAM}, {unix.AF_INET6, unix.SOCK_DGRAM},
	{unix.AF_UNIX, unix.SOCK_DGRAM}, {unix.AF_NETLINK, unix.SOCK_RAW},
}

// ifreq is a struct ifreq whose union is recognisable, but for the data given.
func ifreq(name string, data ...byte) []byte {
	var r abi.Ifreq
	for i := range r {
		r[i] = byte(0xa0 + i)
	}
	r.SetName(name)
	copy(r.Data(), data)
	return r[:]
}

// questions are all requests on all sockets for a few names, and the forms of
// SIOCGIFCONF, SIOCGIFNAME and SIOCGIFADDR that programs use.
func questions() []question {
	var all []question
	for _, s := range sockets {
		for request := uint32(unix.SIOCATMARK); request <= lastPrivate; request++ {
			if _, ok := notHere[request]; ok {
				continue
			}
			for _, name := range []string{"lo", "eth0", "eth0:1", "nix0", ""} {
				all = append(all, question{s, request, ifreq(name)})
			}
		}
		for _, request := range []uint32{unix.SIOCGSTAMP_NEW, unix.SIOCGSTAMPNS_NEW} {
			all = append(all, question{s, request, ifreq("")})
		}
		for _, index := range []byte{0, 1, 2, 9} {
			all = append(all, question{s, unix.SIOCGIFNAME, ifreq("old", index, 0, 0, 0)})
		}
		for _, size := range []int32{-1, 0, 39, 40, 41, 80, 1000} {
			for _, buf := range []uint64{0, bufferAt, 8} {
				all = append(all, question{s, unix.SIOCGIFCONF, abi.Ifconf{Len: size, Buf: buf}.Bytes()})
			}
		}
		for _, last := range []byte{100, 101} {
			all = append(all, question{s, unix.SIOCGIFADDR, ifreq("eth0", 2, 0, 0, 0, 10, 0, 2, last)})
		}
		all = append(all, arpQuestions(s)...)
	}
	return all
}

func arpQuestions(s Socket) []question {
	var all []question
	for _, device := range []string{"", "eth0", "nix0"} {
		for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
			arg := make([]byte, sizeofArpreq)
			arg[0] = family
			copy(arg[4:], []byte{10, 0, 2, 2})
			copy(arg[offsetArpreqDev:], device)
			all = append(all, question{s, unix.SIOCGARP, arg})
		}
	}
	return all
}

// notHere are the requests that are answered otherwise than by Linux, or
// depend on how the kernel was built, and why.
var notHere = map[uint32]string{
	unix.SIOCOUTQNSD: "bytes not sent yet: the stack does not tell; ENOTTY",
	unix.SIOCGIFVLAN: "depends on the kernel's modules",
	unix.SIOCSIFVLAN: "depends on the kernel's modules",
	unix.SIOCGIFBR:   "depends on the kernel's modules",
	unix.SIOCSIFBR:   "depends on the kernel's modules",
}

// TestAnswersAsLinux makes the same ioctls natively, without capabilities, in a
// network namespace like the sandbox, and compares errors and memory. The far
// end of eth0 has no address, so SIOCGIFCONF does not show it.
func TestAnswersAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	program := filepath.Join(t.TempDir(), "ioctls")
	if out, err := exec.Command("gcc", "-Wall", "-Werror", "-o", program, "testdata/ioctls.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	var input strings.Builder
	all := questions()
	for _, q := range all {
		fmt.Fprintf(&input, "%d %d %x %x\n", q.socket.Family, q.socket.Type, q.request, q.argument)
	}
	cmd := exec.Command(program)
	cmd.Stdin = strings.NewReader(input.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(all) {
		t.Fatalf("%d answers to %d questions", len(lines), len(all))
	}
	wrong := 0
	for i, q := range all {
		if got := q.answer(); got != lines[i] {
			if wrong++; wrong <= 40 {
				t.Errorf("%v:\nours  %s\nLinux %s", q, got, lines[i])
			}
		}
	}
	t.Logf("%d ioctls, %d different", len(all), wrong)
}
