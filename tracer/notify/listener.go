package notify

import (
	"fmt"
	"unsafe"

	"netbox/tracer/block"
	"netbox/tracer/proc"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// The structures of <linux/seccomp.h>. Their sizes are asked of the kernel at the
// start.

// notification is struct seccomp_notif with its struct seccomp_data.
type notification struct {
	id    uint64
	tid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32 // negative
	flags uint32
}

// addition is struct seccomp_notif_addfd.
type addition struct {
	id       uint64
	flags    uint32
	file     uint32
	number   uint32
	numFlags uint32
}

// dataLen is sizeof(struct seccomp_data).
const dataLen = 64

// Available says why notifications can't be used here. Two reasons are found out
// only when the filter is loaded: a kernel before Linux 5.19 (EINVAL), and a
// container whose runtime listens already (EBUSY).
func Available() error {
	var sizes [3]uint16 // struct seccomp_notif_sizes: notification, response, data
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes)))
	switch {
	case !settles:
		return fmt.Errorf("not on this machine's architecture")
	case e != 0:
		return fmt.Errorf("seccomp notifications, Linux 5.0 and later: %w", e)
	case sizes != [3]uint16{uint16(unsafe.Sizeof(notification{})), uint16(unsafe.Sizeof(response{})), dataLen}:
		return fmt.Errorf("seccomp notifications of unknown sizes %v", sizes)
	case !proc.CanBorrow():
		return fmt.Errorf("pidfd_getfd(2) is refused")
	}
	return nil
}

// listener is the descriptor that notifications come from.
type listener int

// request makes a request again that a signal has interrupted, as Go's scheduler
// sends them: the kernel waits interruptibly for the lock of the filter
// (kernel/seccomp.c, seccomp_notify_send).
func (l listener) request(req uintptr, arg unsafe.Pointer) (int, unix.Errno) {
	for {
		r, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(l), req, uintptr(arg))
		if e != unix.EINTR {
			return int(r), e
		}
	}
}

// blocking is request where the kernel may have the caller wait.
func (l listener) blocking(req uintptr, arg unsafe.Pointer) (int, unix.Errno) {
	r, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(l), req, uintptr(arg))
	return int(r), e
}

// receive waits for the next notification. ENOENT: its task is gone already, or no
// task is left (Linux 6.11 and later); EINTR: the thread was kicked.
func (l listener) receive(n *notification) unix.Errno {
	*n = notification{} // the kernel wants zeroes
	_, e := block.Ioctl(int(l), unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
	return e
}

// send answers a call. ENOENT: its task was killed.
func (l listener) send(r *response) unix.Errno {
	_, e := l.request(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(r))
	return e
}

// add gives the task a descriptor, and returns its number. ENOENT, or ESRCH if it
// was about to take it: the task was killed.
func (l listener) add(a *addition) (int32, unix.Errno) {
	for {
		fd, e := l.blocking(unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(a))
		if e != unix.EINTR {
			return int32(fd), e
		}
	}
}

// waits says whether the task of a call is there still, and waits for its answer.
func (l listener) waits(id uint64) bool {
	_, e := l.request(unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id))
	return e == 0
}

// wakeHere has tasks and workers wake each other on the core that they share.
// Kernels before Linux 6.6 refuse.
func (l listener) wakeHere() {
	unix.RawSyscall(unix.SYS_IOCTL, uintptr(l), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
}

// over says that no task is left.
func (l listener) over() bool {
	p := []unix.PollFd{{Fd: int32(l)}}
	n, _ := unix.Poll(p, 0)
	return n == 1 && p[0].Revents&unix.POLLHUP != 0
}

func (n *notification) call() trap.Call { return trap.Call{NR: int(n.nr), Args: n.args} }
