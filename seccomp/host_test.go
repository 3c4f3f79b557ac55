package seccomp

import (
	"testing"

	libseccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestHostSockets puts every family, type and protocol to the filter: only TCP and
// UDP sockets, and those of AF_UNIX, are the kernel's.
func TestHostSockets(t *testing.T) {
	insns, err := assemble(table(Options{HostSockets: true}), libseccomp.ActionTrace)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(insns)
	if err != nil {
		t.Fatal(err)
	}
	info := machine(t)
	nr := uint32(info.SyscallNames["socket"])
	for family := range uint64(48) {
		for typ := range uint64(16) {
			for protocol := range uint64(264) {
				for _, extra := range []uint64{0, unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, high} {
					inet := family == unix.AF_INET || family == unix.AF_INET6
					plain := typ == unix.SOCK_STREAM || typ == unix.SOCK_DGRAM
					// The kernel says that a stream has no UDP.
					known := protocol == 0 || protocol == unix.IPPROTO_TCP || protocol == unix.IPPROTO_UDP
					want := trace
					if family == unix.AF_UNIX || inet && plain && known {
						want = allow
					}
					got, err := vm.Run(data(uint32(info.ID), nr, [6]uint64{family, typ | extra, protocol}))
					if err != nil || uint32(got) != want {
						t.Fatalf("socket(%d, %#x, %d): %#x, %v; want %#x", family, typ|extra, protocol, got, err, want)
					}
				}
			}
		}
	}
}
