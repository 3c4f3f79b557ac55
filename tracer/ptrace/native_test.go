package ptrace

import (
	"testing"

	"netbox/trap"

	"golang.org/x/sys/unix"
)

// full is the address of a Unix socket whose backlog is full, abstract: connect(2)
// to it waits.
func full(t *testing.T) []byte {
	t.Helper()
	fds := make([]int, 2)
	for i := range fds {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		fds[i] = fd
	}
	if err := unix.Bind(fds[0], &unix.SockaddrUnix{}); err != nil { // autobind
		t.Fatal(err)
	}
	if err := unix.Listen(fds[0], 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fds[1], sa); err != nil {
		t.Fatal(err)
	}
	name := []byte(sa.(*unix.SockaddrUnix).Name)
	name[0] = 0
	return append([]byte{unix.AF_UNIX, 0}, name...)
}

// TestCopy: the kernel runs a call with bytes of the supervisor's instead of the
// program's, and one that a signal interrupts returns what is said.
func TestCopy(t *testing.T) {
	address := full(t)
	code, _ := run(t, func(_ *Engine, _ trap.Task, c trap.Call) trap.Verdict {
		switch c.NR {
		case unix.SYS_SOCKET:
			return (&trap.Install{File: surrogate(t), At: -1}).Verdict()
		case unix.SYS_CONNECT:
			s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Error(err)
			}
			return (&trap.Install{File: s, At: c.Int32(0), Then: func(trap.Task, int32) trap.Verdict {
				args := c.Args
				args[2] = uint64(len(address))
				return (&trap.Native{Args: &args, Copy: address, CopyArg: 1, Partial: 7, Then: func(_ trap.Task, ret int64) trap.Verdict {
					t.Errorf("connect to a full listener returned %d", ret)
					return trap.Done(0)
				}}).Verdict()
			}}).Verdict()
		}
		return trap.Done(0)
	}, `trap : USR1; (while kill -USR1 $$ 2>/dev/null; do sleep 0.05; done) & exec 3<>/dev/tcp/127.0.0.1/1 && kill $!`)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}
