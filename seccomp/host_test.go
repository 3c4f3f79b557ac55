package seccomp

import (
	"testing"

	libseccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// TestHostSockets puts every family, type and protocol to the filter: only TCP and
// UDP sockets, and those of AF_UNIX, are the kernel's.
func TestHostSockets(t *testing.T) {
	vm := vmOf(t, table(Options{HostSockets: true}), libseccomp.ActionTrace)
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

// TestHostEpollSets: the calls that make a set are trapped where there are sockets of the
// host's, and all that use one are not.
func TestHostEpollSets(t *testing.T) {
	o := Options{HostSockets: true}
	vm, plain := vmOf(t, table(o), libseccomp.ActionTrace), vmOf(t, table(Options{}), libseccomp.ActionTrace)
	info := machine(t)
	for name, makes := range map[string]bool{"epoll_create": true, "epoll_create1": true, "epoll_ctl": false, "epoll_pwait": false} {
		nr, ok := info.SyscallNames[name]
		if !ok {
			continue
		}
		want := allow
		if makes {
			want = trace
		}
		call := data(uint32(info.ID), uint32(nr), [6]uint64{})
		if got, err := vm.Run(call); err != nil || uint32(got) != want || o.Trapped(nr) != makes || o.Notified(nr, &[6]uint64{}) != makes {
			t.Errorf("%s: %#x, %v; want %#x", name, got, err, want)
		}
		if got, err := plain.Run(call); err != nil || uint32(got) != allow {
			t.Errorf("%s without sockets of the host's: %#x, %v", name, got, err)
		}
	}
}
