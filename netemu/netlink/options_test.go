package netlink

import (
	"errors"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/netemu/netlink/netnstest"
)

// kernelOption is getsockopt(2) on a real socket, with a buffer of 8 bytes: the
// number of bytes it tells, and the value.
func kernelOption(fd, option int) (length uint32, value []byte, errno unix.Errno) {
	value = make([]byte, 8)
	length = uint32(len(value))
	_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_NETLINK, uintptr(option),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&length)), 0)
	return length, value[:min(int(length), len(value))], errno
}

// TestOptionsAsLinux sets and gets every SOL_NETLINK option, with several
// values and lengths, on a real socket and on the server's. Nothing is sent.
func TestOptionsAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	for option := range 16 {
		if option == unix.NETLINK_LISTEN_ALL_NSID || option == 6 || option == 7 {
			continue // takes CAP_NET_BROADCAST; NETLINK_RX_RING, NETLINK_TX_RING: removed, the numbers free
		}
		for _, value := range [][]byte{nil, {1}, word(0), word(1), word(2), word(maxGroup), word(maxGroup + 1), word(1 << 31), append(word(1), 0, 0, 0, 0)} {
			kernel, server := openKernel(t), openServer(t, sandbox(t))
			err := unix.SetsockoptString(kernel.fd, unix.SOL_NETLINK, option, string(value))
			var want unix.Errno
			errors.As(err, &want)
			if got := server.conn.SetOption(option, value); got != want {
				t.Errorf("set option %d to %x: %v, Linux %v", option, value, got, want)
			}
			length, bytes, want := kernelOption(kernel.fd, option)
			got, errno := server.conn.Option(option)
			if errno != want || want == 0 && (uint32(len(got)) != length || string(got) != string(bytes)) {
				t.Errorf("option %d after %x: %x, %v; Linux %x (%d bytes), %v", option, value, got, errno, bytes, length, want)
			}
		}
	}
}

// TestGroups: memberships by bind's mask and by number are one set.
func TestGroups(t *testing.T) {
	c := open(t, NewServer(sandbox(t)))
	if errno := c.Bind(0, 0x10); errno != 0 {
		t.Fatal(errno)
	}
	for _, group := range []uint32{1, 36} {
		if errno := c.SetOption(unix.NETLINK_ADD_MEMBERSHIP, word(group)); errno != 0 {
			t.Errorf("group %d: %v", group, errno)
		}
	}
	pid, groups := c.Local()
	if groups != 0x11 {
		t.Errorf("groups %#x", groups)
	}
	if errno := c.Bind(pid, 0x4); errno != 0 {
		t.Fatal(errno)
	}
	if errno := c.SetOption(unix.NETLINK_DROP_MEMBERSHIP, word(3)); errno != 0 {
		t.Error(errno)
	}
	list, _ := c.Option(unix.NETLINK_LIST_MEMBERSHIPS)
	if string(list) != string(append(word(0), word(1<<3)...)) {
		t.Errorf("memberships %x", list)
	}
	if errno := c.SetOption(unix.NETLINK_LISTEN_ALL_NSID, word(1)); errno != unix.EPERM {
		t.Errorf("all namespaces: %v", errno)
	}
}
