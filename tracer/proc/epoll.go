package proc

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Watches are the registrations of a descriptor in the epoll sets that its process
// has open, taken off there, to be made anew for another file at the same number.
type Watches struct {
	tid, pid int
	fd       int32
	list     []watch
}

// watch is a registration: the number of its set in the task, and what it says.
type watch struct {
	set   int32
	event unix.EpollEvent
}

var epollLink = []byte("anon_inode:[eventpoll]")

// TakeWatches takes the registrations of descriptor fd of task tid off. Where
// descriptors can't be borrowed there are none.
func TakeWatches(tid, pid int, fd int32) Watches {
	w := Watches{tid: tid, pid: pid, fd: fd}
	inode, errno := SocketInode(tid, fd)
	if errno != 0 {
		return w
	}
	for _, set := range epollSets(tid) {
		if event, ok := registration(tid, set, fd, inode); ok {
			w.list = append(w.list, watch{set, event})
		}
	}
	if !w.control(unix.EPOLL_CTL_DEL) {
		w.list = nil
	}
	return w
}

// Put makes the registrations anew, for the file that the descriptor is now.
func (w Watches) Put() { w.control(unix.EPOLL_CTL_ADD) }

// epollSets are the numbers under which task tid has epoll sets open.
func epollSets(tid int) []int32 {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", tid))
	if err != nil {
		return nil
	}
	var sets []int32
	var link [len("anon_inode:[eventpoll]") + 1]byte
	for _, entry := range entries {
		number, err := strconv.ParseInt(entry.Name(), 10, 32)
		if err != nil {
			continue
		}
		n, e := FilePath(tid, int32(number), link[:])
		if e == 0 && bytes.Equal(link[:n], epollLink) {
			sets = append(sets, int32(number))
		}
	}
	return sets
}

// registration looks fd up in an epoll set (proc_pid_fdinfo(5)).
func registration(tid int, set, fd int32, inode uint64) (unix.EpollEvent, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", tid, set))
	if err != nil {
		return unix.EpollEvent{}, false
	}
	for line := range strings.Lines(string(text)) {
		var target int32
		var events uint32
		var data, pos, ino uint64
		n, _ := fmt.Sscanf(line, "tfd: %d events: %x data: %x pos:%d ino:%x", &target, &events, &data, &pos, &ino)
		if n == 5 && target == fd && ino == inode {
			return unix.EpollEvent{Events: events, Fd: int32(uint32(data)), Pad: int32(data >> 32)}, true
		}
	}
	return unix.EpollEvent{}, false
}

// control makes epoll_ctl(2) calls for the descriptor on all sets; false if that
// can't be had.
func (w Watches) control(op int) bool {
	if len(w.list) == 0 {
		return false
	}
	files := make([]int, 0, len(w.list)+1)
	defer func() {
		for _, f := range files {
			unix.Close(f)
		}
	}()
	for _, number := range append([]int32{w.fd}, w.sets()...) {
		file, errno := w.borrow(number)
		if errno != 0 {
			return false
		}
		files = append(files, file)
	}
	done := make(chan unix.Errno)
	go func() {
		// Not unlocked: the thread ends with this, and its table.
		runtime.LockOSThread()
		done <- w.controlAlone(op, files[0], files[1:])
	}()
	return <-done == 0
}

// controlAlone makes the calls in a descriptor table of the thread's own, since a
// registration is known by file and number. From when it has the table to the thread's
// end nothing is to be allocated: a number that Go's runtime polls may be another file.
func (w Watches) controlAlone(op, file int, sets []int) unix.Errno {
	if _, _, errno := unix.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_FILES, 0, 0); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_DUP3, uintptr(file), uintptr(w.fd), unix.O_CLOEXEC); errno != 0 {
		return errno
	}
	var failed unix.Errno
	for i, set := range sets {
		_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(set), uintptr(op), uintptr(w.fd), uintptr(unsafe.Pointer(&w.list[i].event)), 0, 0)
		failed = max(failed, errno)
	}
	return failed
}

// borrow copies a descriptor of the task's to a number above the one that is to be
// registered, which the calls are made with.
func (w Watches) borrow(number int32) (int, unix.Errno) {
	file, errno := Borrow(w.tid, w.pid, number)
	if errno != 0 || file > int(w.fd) {
		return file, errno
	}
	defer unix.Close(file)
	above, err := unix.FcntlInt(uintptr(file), unix.F_DUPFD_CLOEXEC, int(w.fd)+1)
	return above, Errno(err)
}

func (w Watches) sets() []int32 {
	var numbers []int32
	for _, x := range w.list {
		numbers = append(numbers, x.set)
	}
	return numbers
}
