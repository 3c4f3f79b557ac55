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

// Watches are the registrations of a descriptor in epoll sets, taken off there, to be
// made anew for another file at the same number.
type Watches struct {
	tid, pid int
	fd       int32
	list     []watch
}

// watch is a registration: its set, and what it says.
type watch struct {
	set   set
	event unix.EpollEvent
}

// set is an epoll set: a descriptor of ours, or of the task's.
type set struct {
	number int32
	ours   bool
}

var epollLink = []byte("anon_inode:[eventpoll]")

// TakeWatches takes the registrations of descriptor fd of task tid off: in the sets
// that are kept, descriptors of ours, or with others in those that the task's process has
// open, for which all its descriptors are looked at. Where descriptors can't be borrowed
// there are none.
func TakeWatches(tid, pid int, fd int32, kept []int, others bool) Watches {
	w := Watches{tid: tid, pid: pid, fd: fd}
	if len(kept) == 0 && !others {
		return w
	}
	w.find(kept, others)
	if !w.control(unix.EPOLL_CTL_DEL) {
		w.list = nil
	}
	return w
}

// find looks for the registrations. The calls about sets of ours name this thread, which
// has the descriptors of all of Go's: another might become one of controlAlone's, as the
// first one may have.
func (w *Watches) find(kept []int, others bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var sets []set
	if others {
		sets = epollSets(w.tid)
	} else {
		for _, file := range kept {
			if w.mayBeIn(file) {
				sets = append(sets, set{int32(file), true})
			}
		}
	}
	if len(sets) == 0 {
		return
	}
	inode, errno := SocketInode(w.tid, w.fd)
	if errno != 0 {
		return
	}
	for _, s := range sets {
		if event, ok := registration(s.info(w.tid), w.fd, inode); ok {
			w.list = append(w.list, watch{s, event})
		}
	}
}

// Put makes the registrations anew, for the file that the descriptor is now.
func (w Watches) Put() { w.control(unix.EPOLL_CTL_ADD) }

// kcmpEpollTFD is KCMP_EPOLL_TFD of <linux/kcmp.h>, kcmpSlot struct kcmp_epoll_slot.
const kcmpEpollTFD = 7

type kcmpSlot struct{ set, fd, nth uint32 }

// maxUnderNumber bounds how many files that a set has under one number are compared by
// calls of their own: each goes through the set. Programs have one.
const maxUnderNumber = 8

// mayBeIn says whether the descriptor is registered in a set of ours, true where kcmp(2)
// does not tell. A set may have several files under one number, and its list in /proc
// is long where it has many.
func (w Watches) mayBeIn(file int) bool {
	slot := kcmpSlot{set: uint32(file), fd: uint32(w.fd)}
	for slot.nth < maxUnderNumber {
		order, _, errno := unix.RawSyscall6(unix.SYS_KCMP, uintptr(w.tid), uintptr(unix.Gettid()), kcmpEpollTFD, uintptr(w.fd), uintptr(unsafe.Pointer(&slot)), 0)
		switch {
		case errno == unix.ENOENT: // no more under that number
			return false
		case errno != 0 || order == 0:
			return true
		}
		slot.nth++
	}
	return true
}

// info is where /proc tells what is registered in the set.
func (s set) info(tid int) string {
	if s.ours {
		return fmt.Sprintf("/proc/thread-self/fdinfo/%d", s.number)
	}
	return fmt.Sprintf("/proc/%d/fdinfo/%d", tid, s.number)
}

// epollSets are those that task tid has open.
func epollSets(tid int) []set {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", tid))
	if err != nil {
		return nil
	}
	var sets []set
	var link [len("anon_inode:[eventpoll]") + 1]byte
	for _, entry := range entries {
		number, err := strconv.ParseInt(entry.Name(), 10, 32)
		if err != nil {
			continue
		}
		n, e := FilePath(tid, int32(number), link[:])
		if e == 0 && bytes.Equal(link[:n], epollLink) {
			sets = append(sets, set{number: int32(number)})
		}
	}
	return sets
}

// registration looks fd up in the list of an epoll set (proc_pid_fdinfo(5)).
func registration(list string, fd int32, inode uint64) (unix.EpollEvent, bool) {
	text, err := os.ReadFile(list)
	if err != nil {
		return unix.EpollEvent{}, false
	}
	wanted := fmt.Sprintf("tfd: %8d ", fd)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, wanted) {
			continue // most of them, where there are many
		}
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
	wanted := []set{{number: w.fd}}
	for _, x := range w.list {
		wanted = append(wanted, x.set)
	}
	for _, s := range wanted {
		file, errno := w.borrow(s)
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

// borrow copies a descriptor, the task's or ours, to a number above the one that is to
// be registered, which the calls are made with.
func (w Watches) borrow(s set) (int, unix.Errno) {
	if s.ours {
		return w.above(int(s.number))
	}
	file, errno := Borrow(w.tid, w.pid, s.number)
	if errno != 0 || file > int(w.fd) {
		return file, errno
	}
	defer unix.Close(file)
	return w.above(file)
}

func (w Watches) above(file int) (int, unix.Errno) {
	above, err := unix.FcntlInt(uintptr(file), unix.F_DUPFD_CLOEXEC, int(w.fd)+1)
	if err != nil {
		return -1, Errno(err)
	}
	return above, 0
}
