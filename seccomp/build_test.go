package seccomp

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	libseccomp "github.com/elastic/go-seccomp-bpf"
)

// machine is the native architecture.
func machine(t *testing.T) *arch.Info {
	t.Helper()
	info, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// vmOf is the filter of these rules.
func vmOf(t *testing.T, rules []rule, trapped libseccomp.Action, extra ...leaf) *bpf.VM {
	t.Helper()
	insns, err := assemble(rules, trapped, extra...)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(insns)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// data is struct seccomp_data of <linux/seccomp.h>, as the BPF machine sees
// it. The machine of x/net/bpf loads words big-endian, as for packets; the
// kernel's loads them as the host does. So each word is stored big-endian.
func data(arch, nr uint32, args [6]uint64) []byte {
	b := binary.BigEndian.AppendUint32(nil, nr)
	b = binary.BigEndian.AppendUint32(b, arch)
	b = append(b, make([]byte, 8)...) // instruction_pointer
	for _, a := range args {
		// On a little-endian machine the low half comes first.
		b = binary.BigEndian.AppendUint32(b, uint32(a))
		b = binary.BigEndian.AppendUint32(b, uint32(a>>32))
	}
	return b
}

const (
	allow  = uint32(unix.SECCOMP_RET_ALLOW)
	trace  = uint32(unix.SECCOMP_RET_TRACE)
	failed = uint32(unix.SECCOMP_RET_ERRNO)
	eperm  = failed | uint32(unix.EPERM)
	enosys = failed | uint32(unix.ENOSYS)
	high   = uint64(1) << 32
)

func TestRows(t *testing.T) {
	vm := vmOf(t, table(Options{Sysctls: true}), libseccomp.ActionTrace)
	notifyVM := vmOf(t, table(Options{Sysctls: true}), libseccomp.ActionUserNotify, step)
	info := machine(t)
	for _, row := range []struct {
		name string
		args [6]uint64
		want uint32
	}{
		{"read", [6]uint64{}, allow},
		{"openat", [6]uint64{}, trace},
		{"openat", [6]uint64{atFDCWD, 1, unix.O_DIRECTORY | unix.O_NOFOLLOW}, trace},
		{"openat", [6]uint64{^uint64(99), 1, unix.O_DIRECTORY | unix.O_NOFOLLOW}, trace}, // AT_FDCWD as a long
		{"openat", [6]uint64{3, 1, unix.O_DIRECTORY}, trace},
		{"openat", [6]uint64{3, 1, unix.O_NOFOLLOW}, trace},
		{"openat", [6]uint64{3, 1, unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC}, allow},
		{"openat", [6]uint64{3, 1, unix.O_WRONLY}, trace},
		{"openat2", [6]uint64{}, trace},
		{"symlinkat", [6]uint64{}, trace},
		{"chroot", [6]uint64{}, trace},
		{"readlinkat", [6]uint64{}, allow},
		{"newfstatat", [6]uint64{}, allow},
		{"execve", [6]uint64{}, allow},
		{"clone", [6]uint64{}, allow},
		{"write", [6]uint64{3, 41, 42}, allow},

		{"socket", [6]uint64{unix.AF_INET}, trace},
		{"socket", [6]uint64{unix.AF_INET6}, trace},
		{"socket", [6]uint64{unix.AF_NETLINK}, trace},
		{"socket", [6]uint64{0}, trace},
		{"socket", [6]uint64{unix.AF_UNIX}, allow},
		{"socket", [6]uint64{unix.AF_UNIX | high}, allow}, // an int
		{"socket", [6]uint64{unix.AF_INET | high}, trace},
		{"socket", [6]uint64{unix.AF_INET << 32}, trace},
		{"socketpair", [6]uint64{unix.AF_UNIX}, allow},
		{"socketpair", [6]uint64{unix.AF_INET}, trace},

		{"mmap", [6]uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED, 3, 0}, trace},
		{"mmap", [6]uint64{0, 4096, unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE | unix.MAP_LOCKED, 3, 0}, trace},
		{"mmap", [6]uint64{0, 4096, unix.PROT_WRITE, unix.MAP_SHARED_VALIDATE, 3, 0}, trace},
		{"mmap", [6]uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE, 3, 0}, allow},
		{"mmap", [6]uint64{0, 4096, unix.PROT_READ, unix.MAP_SHARED, 3, 0}, allow},
		{"mmap", [6]uint64{0, 4096, unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_ANONYMOUS, 3, 0}, allow},
		{"mmap", [6]uint64{0, 4096, unix.PROT_WRITE, unix.MAP_SHARED, 0xffffffff, 0}, allow},
		{"mmap", [6]uint64{0, 4096, unix.PROT_WRITE, unix.MAP_SHARED, 0xffffffffffffffff, 0}, allow},

		{"sendto", [6]uint64{3, 1, 1, 0, 0, 0}, allow},
		{"sendto", [6]uint64{3, 1, 1, unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT, 0, 16}, allow},
		{"sendto", [6]uint64{3, 1, 1, 0, 0x1000, 16}, trace},
		{"sendto", [6]uint64{3, 1, 1, 0, high, 16}, trace}, // only the upper half
		{"sendto", [6]uint64{3, 1, 1, unix.MSG_OOB, 0, 0}, trace},
		{"sendto", [6]uint64{3, 1, 1, unix.MSG_MORE | unix.MSG_NOSIGNAL, 0, 0}, trace},
		{"sendto", [6]uint64{3, 1, 1, unix.MSG_OOB << 32, 0, 0}, allow}, // an int
		{"recvfrom", [6]uint64{3, 1, 1, 0, 0, 0}, allow},
		{"recvfrom", [6]uint64{3, 1, 1, unix.MSG_PEEK, 0, 0}, allow},
		{"recvfrom", [6]uint64{3, 1, 1, unix.MSG_DONTWAIT, 0, 0}, trace},
		{"recvfrom", [6]uint64{3, 1, 1, unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL, 0, 0}, allow},
		{"recvfrom", [6]uint64{3, 1, 1, 0, 0x7fff00000000, 0}, trace},
		{"recvfrom", [6]uint64{3, 1, 1, unix.MSG_ERRQUEUE, 0, 0}, trace},

		{"ioctl", [6]uint64{3, 0x8912}, trace},            // SIOCGIFCONF
		{"ioctl", [6]uint64{3, 0x8946}, trace},            // SIOCETHTOOL
		{"ioctl", [6]uint64{3, 0x8905}, trace},            // SIOCATMARK
		{"ioctl", [6]uint64{3, 0x89ff}, trace},            // the last private one
		{"ioctl", [6]uint64{3, 0x8b1b}, trace},            // SIOCGIWESSID
		{"ioctl", [6]uint64{3, 0x8912 | high}, trace},     // an unsigned int
		{"ioctl", [6]uint64{3, 0x80108906}, trace},        // SIOCGSTAMP_NEW
		{"ioctl", [6]uint64{3, 0x80108907 | high}, trace}, // SIOCGSTAMPNS_NEW
		{"ioctl", [6]uint64{3, 0x8900}, allow},
		{"ioctl", [6]uint64{3, 0x8901}, allow}, // FIOSETOWN
		{"ioctl", [6]uint64{3, 0x8904}, allow}, // SIOCGPGRP
		{"ioctl", [6]uint64{3, 0x8a00}, allow},
		{"ioctl", [6]uint64{3, unix.TIOCOUTQ}, allow},
		{"ioctl", [6]uint64{3, unix.TIOCINQ}, allow}, // FIONREAD
		{"ioctl", [6]uint64{3, 0x5421}, allow},       // FIONBIO
		{"ioctl", [6]uint64{3, 0x5452}, allow},       // FIOASYNC
		{"ioctl", [6]uint64{3, unix.TCGETS, 0x8912}, allow},

		{"io_uring_setup", [6]uint64{}, enosys},
		{"io_uring_enter", [6]uint64{}, enosys},
		{"io_uring_register", [6]uint64{}, enosys},
		{"ptrace", [6]uint64{}, eperm},
		{"pidfd_getfd", [6]uint64{}, eperm},
		{"bpf", [6]uint64{}, eperm},
		{"userfaultfd", [6]uint64{unix.O_CLOEXEC}, eperm},
		{"userfaultfd", [6]uint64{unix.O_CLOEXEC | uffdUserModeOnly}, allow},
		{"process_vm_readv", [6]uint64{}, trace},
		{"process_vm_writev", [6]uint64{}, trace},
		{"prctl", [6]uint64{unix.PR_SET_DUMPABLE, 0}, failed},
		{"prctl", [6]uint64{unix.PR_SET_DUMPABLE, 1}, allow},
		{"prctl", [6]uint64{unix.PR_SET_DUMPABLE, high}, allow}, // EINVAL natively
		{"prctl", [6]uint64{unix.PR_SET_NAME, 0}, allow},
		{"kcmp", [6]uint64{}, allow},
		{"perf_event_open", [6]uint64{}, allow},
		{"unshare", [6]uint64{unix.CLONE_NEWNET}, allow},
	} {
		nr, ok := info.SyscallNames[row.name]
		if !ok {
			t.Fatalf("no call %s", row.name)
		}
		got, err := vm.Run(data(uint32(info.ID), uint32(nr), row.args))
		if err != nil || uint32(got) != row.want {
			t.Errorf("%s%x: %#x, %v; want %#x", row.name, row.args, got, err, row.want)
		}
		want, notified := row.want, (Options{Sysctls: true}).Notified(nr, &row.args)
		if notified {
			want = uint32(unix.SECCOMP_RET_USER_NOTIF)
		}
		got, err = notifyVM.Run(data(uint32(info.ID), uint32(nr), row.args))
		if err != nil || uint32(got) != want || notified != (row.want == trace && !strings.HasPrefix(row.name, "process_vm_")) {
			t.Errorf("%s%x notifies %v: %#x, %v; want %#x", row.name, row.args, notified, got, err, want)
		}
	}
	if got, err := notifyVM.Run(data(uint32(info.ID), StepNR, [6]uint64{})); err != nil || uint32(got) != trace {
		t.Errorf("StepNR: %#x, %v", got, err)
	}
}

// TestReading: where the kernel refuses to write the files of the emulation's,
// opens for writing are not trapped.
func TestReading(t *testing.T) {
	vm := vmOf(t, table(Options{}), libseccomp.ActionTrace)
	info := machine(t)
	for flags, want := range map[uint64]uint32{
		unix.O_RDONLY: trace, unix.O_RDONLY | unix.O_CREAT: trace, unix.O_PATH: trace,
		unix.O_WRONLY: allow, unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC: allow, unix.O_RDWR | high: allow,
	} {
		for _, dir := range []uint64{atFDCWD, 3} {
			got, err := vm.Run(data(uint32(info.ID), uint32(info.SyscallNames["openat"]), [6]uint64{dir, 1, flags}))
			if err != nil || uint32(got) != want {
				t.Errorf("openat(%#x, %#o): %#x, %v; want %#x", dir, flags, got, err, want)
			}
		}
	}
}

// TestEveryRule: every rule that has no condition holds whatever the
// arguments, and no number beside the rules is touched.
func TestEveryRule(t *testing.T) {
	vm := vmOf(t, table(Options{Sysctls: true}), libseccomp.ActionTrace)
	info := machine(t)
	byNR := map[int]rule{}
	for _, r := range table(Options{Sysctls: true}) {
		byNR[info.SyscallNames[r.name]] = r
		if r.why == "" {
			t.Errorf("%s has no reason", r.name)
		}
	}
	for nr := range 1024 {
		for _, args := range [][6]uint64{{}, {^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}} {
			r, listed := byNR[nr]
			if len(r.when) > 0 {
				continue
			}
			want := allow
			if listed {
				want = uint32(r.act.ret(libseccomp.ActionTrace))
			}
			if got, err := vm.Run(data(uint32(info.ID), uint32(nr), args)); err != nil || uint32(got) != want {
				t.Errorf("call %d: %#x, %v; want %#x", nr, got, err, want)
			}
		}
		if got, want := (Options{Sysctls: true}).Trapped(nr), byNR[nr].name != "" && (byNR[nr].act == trap || byNR[nr].act == look); got != want {
			t.Errorf("Trapped(%d) = %v", nr, got)
		}
	}
}

// TestForeignABI: i386, x32 and numbers that are none.
func TestForeignABI(t *testing.T) {
	vm := vmOf(t, table(Options{Sysctls: true}), libseccomp.ActionTrace)
	native := uint32(machine(t).ID)
	for _, row := range []struct{ arch, nr uint32 }{
		{unix.AUDIT_ARCH_I386, 102}, // socketcall
		{unix.AUDIT_ARCH_I386, 1},
		{unix.AUDIT_ARCH_ARM, 281}, // socket
		{0, 0},
		{native, 0x40000000 | 41},
		{native, 0x40000000},
		{native, 0x7fffffff},
		{native, 0xffffffff},
	} {
		if got, err := vm.Run(data(row.arch, row.nr, [6]uint64{})); err != nil || uint32(got) != enosys {
			t.Errorf("arch %#x call %#x: %#x, %v; want ENOSYS", row.arch, row.nr, got, err)
		}
	}
}

// TestHotPath bounds what an untrapped call costs where the kernel keeps no
// bitmap of allowed calls.
func TestHotPath(t *testing.T) {
	insns, err := assemble(table(Options{Sysctls: true}), libseccomp.ActionTrace)
	if err != nil {
		t.Fatal(err)
	}
	info := machine(t)
	private := [6]uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE, 3, 0}
	for _, row := range []struct {
		name string
		args [6]uint64
		most int
	}{
		{name: "read", most: 11}, {name: "write", most: 11}, {name: "fstat", most: 11}, {name: "newfstatat", most: 11},
		{name: "futex", most: 11}, {name: "epoll_pwait", most: 11}, {name: "poll", most: 11},
		// A call with a rule of its own that lets it pass.
		{name: "mmap", args: private, most: 13},
	} {
		nr, ok := info.SyscallNames[row.name]
		if !ok {
			continue
		}
		if n := steps(t, insns, data(uint32(info.ID), uint32(nr), row.args)); n > row.most {
			t.Errorf("%s runs %d instructions", row.name, n)
		}
	}
	if len(insns) > 200 {
		t.Errorf("the filter has %d instructions", len(insns))
	}
}

// steps counts the instructions that are run. It knows those that the filter
// is made of.
func steps(t *testing.T, insns []bpf.Instruction, in []byte) int {
	t.Helper()
	var a uint32
	for pc, n := 0, 1; pc < len(insns); n++ {
		switch i := insns[pc].(type) {
		case bpf.LoadAbsolute:
			a = binary.BigEndian.Uint32(in[i.Off:])
			pc++
		case bpf.RetConstant:
			return n
		case bpf.JumpIf:
			var yes bool
			switch i.Cond {
			case bpf.JumpEqual:
				yes = a == i.Val
			case bpf.JumpNotEqual:
				yes = a != i.Val
			case bpf.JumpGreaterOrEqual:
				yes = a >= i.Val
			case bpf.JumpBitsSet:
				yes = a&i.Val != 0
			case bpf.JumpBitsNotSet:
				yes = a&i.Val == 0
			default:
				t.Fatalf("instruction %v on the hot path", i)
			}
			if yes {
				pc += 1 + int(i.SkipTrue)
			} else {
				pc += 1 + int(i.SkipFalse)
			}
		default:
			t.Fatalf("instruction %v", i)
		}
	}
	t.Fatal("no return")
	return 0
}

func TestBuild(t *testing.T) {
	f, err := Build(Options{Sysctls: true})
	if err != nil || len(f) == 0 {
		t.Fatalf("%d instructions, %v", len(f), err)
	}
	o := Options{Sysctls: true}
	if !o.Trapped(unix.SYS_SOCKET) || o.Trapped(unix.SYS_PRCTL) || o.Trapped(unix.SYS_EPOLL_CREATE1) {
		t.Error("Trapped is wrong about socket, prctl or epoll_create1")
	}
}

// TestCanWriteSysctl: root could change the host's settings, whatever is mounted
// read-only now, and who has no right to override modes could not.
func TestCanWriteSysctl(t *testing.T) {
	root := unix.Geteuid() == 0
	if root || !overrides() {
		if got := CanWriteSysctl(); got != root {
			t.Errorf("uid %d: %v", unix.Geteuid(), got)
		}
	}
}
