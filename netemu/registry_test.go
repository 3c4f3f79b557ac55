package netemu

import (
	"testing"

	"golang.org/x/sys/unix"

	"netbox/abi"
)

// looseSockets is how many sockets a sweep would look at.
func (r *registry) looseSockets() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.loose)
}

// TestSweepLeavesConnections: a sweep looks at sockets without a connection only,
// and what is closed it looks at no more.
func TestSweepLeavesConnections(t *testing.T) {
	task := newOptionTask(t)
	reg := &task.e.reg
	before := reg.looseSockets()
	l, c := task.stream(t), task.stream(t)
	if n := reg.looseSockets() - before; n != 2 {
		t.Fatalf("%d of two new sockets are looked at", n)
	}
	const port = 7002
	task.loopback(port)
	if _, errno := task.do(t, unix.SYS_BIND, uint64(l.fd), optionValue, abi.SizeofSockaddrInet4); errno != 0 {
		t.Fatal(errno)
	}
	if _, errno := task.do(t, unix.SYS_LISTEN, uint64(l.fd), 4); errno != 0 {
		t.Fatal(errno)
	}
	task.loopback(port)
	if _, errno := task.do(t, unix.SYS_CONNECT, uint64(c.fd), optionValue, abi.SizeofSockaddrInet4); errno != unix.EINPROGRESS {
		t.Fatal(errno)
	}
	await(t, c.fd, unix.POLLOUT)
	await(t, l.fd, unix.POLLIN) // the other end
	if n := reg.looseSockets() - before; n != 1 {
		t.Errorf("%d sockets are looked at beside a connection, want the listener", n)
	}
}
