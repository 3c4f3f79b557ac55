package proc

import (
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Thread is a task whose descriptors are asked for often. A pidfd and /proc/TID/fd are
// kept for that: opened and closed for each question, and walked to, they were half of
// its cost. It may be used by several threads at once.
type Thread struct {
	tid, pid int

	mu    sync.Mutex // a leaf
	keeps keeping
	pidfd int
	fds   int // /proc/TID/fd
	// copies says that descriptors are looked at by copies of them: a third of the cost
	// of a look at /proc.
	copies bool
}

type keeping uint8

const (
	keepsNothingYet keeping = iota
	keepsBoth
	keepsNothing
)

// maxKept bounds the tasks for which descriptors are kept at a time, two for each. Those
// beyond are looked at as if seldom, so that a program of thousands of threads leaves the
// supervisor its descriptors.
const maxKept = 256

var kept atomic.Int64

// NewThread is task tid of process pid, which lives.
func NewThread(tid, pid int) *Thread { return &Thread{tid: tid, pid: pid} }

// Seldom is task tid, of a process that is looked for: nothing is kept for it.
func Seldom(tid int) *Thread { return &Thread{tid: tid, keeps: keepsNothing} }

// Close lets go of what is kept: the task is gone.
func (t *Thread) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keeps == keepsBoth {
		unix.Close(t.pidfd)
		unix.Close(t.fds)
		kept.Add(-1)
	}
	t.keeps = keepsNothing
}

// keepLocked opens what is kept; false if it can't be.
func (t *Thread) keepLocked() bool {
	if t.keeps != keepsNothingYet {
		return t.keeps == keepsBoth
	}
	t.keeps = keepsNothing
	if kept.Add(1) > maxKept {
		kept.Add(-1)
		return false
	}
	pidfd, exact, err := handle(t.tid, t.pid)
	var path pathBuffer
	fds, e := path.task(t.tid, "/fd").open(unix.O_PATH | unix.O_DIRECTORY)
	if err == nil && e == 0 {
		t.keeps, t.pidfd, t.fds, t.copies = keepsBoth, pidfd, fds, exact && sockfs() != 0
		return true
	}
	if err == nil {
		unix.Close(pidfd)
	}
	if e == 0 {
		unix.Close(fds)
	}
	kept.Add(-1)
	return false
}

// Inode is SocketInode.
func (t *Thread) Inode(fd int32) (uint64, unix.Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if fd < 0 || !t.keepLocked() {
		return SocketInode(t.tid, fd)
	}
	if file, e, ok := t.copyLocked(fd); ok {
		if e != 0 {
			return 0, e
		}
		defer unix.Close(file)
		return inodeOf(file)
	}
	var link linkBuffer
	n, e := t.readLink(fd, link[:])
	if e != 0 {
		return 0, notOpen(e)
	}
	return link.inode(n)
}

// Protocol is SocketProtocol.
func (t *Thread) Protocol(fd int32) (string, unix.Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if fd >= 0 && t.keepLocked() {
		if file, e, ok := t.copyLocked(fd); ok {
			if e != 0 {
				return "", e
			}
			defer unix.Close(file)
			return protocolOf(file)
		}
	}
	return SocketProtocol(t.tid, fd)
}

// copyLocked copies descriptor fd, to be closed at once. False: /proc has to tell, since
// pidfd_getfd(2) is refused, or this process has no descriptor left.
func (t *Thread) copyLocked(fd int32) (file int, errno unix.Errno, ok bool) {
	if !t.copies {
		return -1, 0, false
	}
	file, err := unix.PidfdGetfd(t.pidfd, int(fd), 0)
	switch err {
	case nil:
		return file, 0, true
	case unix.EBADF, unix.ESRCH:
		return -1, Errno(err), true
	case unix.EPERM, unix.ENOSYS:
		t.copies = false
	}
	return -1, 0, false
}

// Path is FilePath.
func (t *Thread) Path(fd int32, b []byte) (int, unix.Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if fd < 0 || !t.keepLocked() {
		return FilePath(t.tid, fd, b)
	}
	return t.readLink(fd, b)
}

func (t *Thread) readLink(fd int32, b []byte) (int, unix.Errno) {
	var name [12]byte // ten digits, and NUL
	strconv.AppendInt(name[:0], int64(fd), 10)
	n, _, e := unix.Syscall6(unix.SYS_READLINKAT, uintptr(t.fds), uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), 0
}

// Borrow is the function of that name.
func (t *Thread) Borrow(fd int32) (int, unix.Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.keepLocked() {
		return Borrow(t.tid, t.pid, fd)
	}
	file, err := unix.PidfdGetfd(t.pidfd, int(fd), 0)
	if err != nil {
		return -1, Errno(err)
	}
	return file, 0
}

// StatusFlags is the function of that name, which reads a file of /proc for them: a copy
// of the descriptor tells, too, where one can be had.
func (t *Thread) StatusFlags(fd int32) (int, unix.Errno) {
	file, e := t.Borrow(fd)
	if e != 0 {
		return StatusFlags(t.tid, fd)
	}
	defer unix.Close(file)
	flags, err := unix.FcntlInt(uintptr(file), unix.F_GETFL, 0)
	if err != nil {
		return 0, Errno(err)
	}
	return flags, 0
}
