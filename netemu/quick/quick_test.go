package quick

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCalls(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	b := make([]byte, 4*bulk)
	if n, err := Recv(fds[0], b, 0); n != 0 || err != unix.EAGAIN {
		t.Errorf("of an empty socket: %d, %v", n, err)
	}
	sent := bytes.Repeat([]byte{'x'}, bulk+1)
	for _, want := range [][]byte{[]byte("small"), sent} {
		if n, err := Send(fds[1], want); n != len(want) || err != nil {
			t.Fatalf("sent %d, %v", n, err)
		}
		if r := Poll(fds[0], unix.POLLIN|unix.POLLOUT); r != unix.POLLIN|unix.POLLOUT {
			t.Errorf("poll says %#x", r)
		}
		if n, errno := Queue(fds[0], unix.SIOCINQ); n != len(want) || errno != 0 {
			t.Errorf("queued %d, %v, not %d", n, errno, len(want))
		}
		if n, err := Recv(fds[0], b[:1], unix.MSG_PEEK); n != 1 || err != nil || b[0] != want[0] {
			t.Errorf("peek: %d, %v, %q", n, err, b[0])
		}
		if n, err := Recv(fds[0], b, unix.MSG_WAITALL); err != nil || !bytes.Equal(b[:n], want) {
			t.Errorf("received %d, %v", n, err)
		}
	}
	unix.Close(fds[1])
	if n, err := Send(fds[0], sent[:1]); n != 0 || err != unix.EPIPE {
		t.Errorf("to a closed one: %d, %v", n, err)
	}
	if n, err := Recv(fds[0], b, 0); n != 0 || err != nil {
		t.Errorf("the end: %d, %v", n, err)
	}
	if r := Poll(fds[0], 0); r != unix.POLLHUP {
		t.Errorf("poll of the end says %#x", r)
	}
	if n, err := Recv(-1, b, 0); n != 0 || err != unix.EBADF {
		t.Errorf("of no descriptor: %d, %v", n, err)
	}
	if _, errno := Queue(-1, unix.SIOCINQ); errno != unix.EBADF {
		t.Errorf("queue of no descriptor: %v", errno)
	}
	if r := Poll(999999, unix.POLLIN); r != unix.POLLNVAL {
		t.Errorf("poll of no descriptor says %#x", r)
	}
}

// The data path allocates nothing for them.
func TestAllocations(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	b := make([]byte, 10)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = Send(fds[1], b)
		Poll(fds[0], unix.POLLIN)
		_, _ = Queue(fds[0], unix.SIOCINQ)
		_, _ = Recv(fds[0], b, 0)
		_, _ = Recv(fds[0], b, 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
