package proc

import (
	"os"

	"golang.org/x/sys/unix"
)

// pidfdThread is PIDFD_THREAD of <linux/pidfd.h>.
const pidfdThread = unix.O_EXCL

// Borrow copies descriptor fd out of thread tid of process pid (pidfd_getfd(2),
// since Linux 5.6). It takes the rights that reading the process's memory takes,
// which a tracer has; but a container's seccomp profile may refuse the call
// itself. Before Linux 6.9 there are no descriptors of threads; the first
// thread's table is nearly always the same. A pid of 0 is looked for.
func Borrow(tid, pid int, fd int32) (int, unix.Errno) {
	process, _, err := handle(tid, pid)
	if err != nil {
		return -1, Errno(err)
	}
	defer unix.Close(process)
	file, err := unix.PidfdGetfd(process, int(fd), 0)
	if err != nil {
		return -1, Errno(err)
	}
	return file, 0
}

// Handle is a pidfd of thread tid, or of its process where there are none of threads.
func Handle(tid, pid int) (int, error) {
	fd, _, err := handle(tid, pid)
	return fd, err
}

// handle is Handle; exact says that its descriptor table is the thread's for sure.
func handle(tid, pid int) (fd int, exact bool, err error) {
	fd, err = unix.PidfdOpen(tid, pidfdThread)
	if err != unix.EINVAL {
		return fd, true, err
	}
	if pid == 0 {
		pid, _ = ThreadGroup(tid)
	}
	fd, err = unix.PidfdOpen(pid, 0)
	return fd, tid == pid, err
}

// CanBorrow says whether this kernel, and what it is confined by, knows the
// call at all.
func CanBorrow() bool {
	f, err := os.Open("/dev/null")
	if err != nil {
		return false
	}
	defer f.Close()
	file, errno := Borrow(os.Getpid(), os.Getpid(), int32(f.Fd()))
	if errno != 0 {
		return false
	}
	unix.Close(file)
	return true
}
