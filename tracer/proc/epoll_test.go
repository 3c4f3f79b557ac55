package proc

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWatches: what takes a registered socket's place at its number is registered as that
// was, in the sets that are kept or in those that the process has open, and in no other.
func TestWatches(t *testing.T) {
	if !CanBorrow() {
		t.Skip("pidfd_getfd(2) is refused here")
	}
	for name, others := range map[string]bool{"kept": false, "others": true} {
		t.Run(name, func(t *testing.T) {
			// The thread that makes the calls has a table of its own: not this one.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			// One number below the socket's, one above: our copies may not be in the way.
			low, number := epoll(t), socket(t)
			high, without := epoll(t), epoll(t)
			for _, set := range []int{low, high} {
				register(t, set, number)
			}
			register(t, without, socket(t))
			w := TakeWatches(unix.Gettid(), os.Getpid(), int32(number), []int{low, without, high}, others)
			if len(w.list) != 2 {
				t.Fatalf("registrations: %+v", w.list)
			}
			exchange(t, number)
			w.Put()
			for _, set := range []int{low, high} {
				event := unix.EpollEvent{Events: unix.EPOLLIN}
				if err := unix.EpollCtl(set, unix.EPOLL_CTL_MOD, number, &event); err != nil {
					t.Error("the new file is not registered: ", err)
				}
			}
			if w := TakeWatches(unix.Gettid(), os.Getpid(), int32(number), []int{without}, false); w.list != nil {
				t.Errorf("registered nowhere: %+v", w.list)
			}
		})
	}
}

// TestManyUnderOneNumber: a set may have files under a number that are another's now.
func TestManyUnderOneNumber(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set, number := epoll(t), socket(t)
	for range 3 {
		register(t, set, number)
		exchange(t, number)
	}
	w := Watches{tid: unix.Gettid(), pid: os.Getpid(), fd: int32(number)}
	if _, _, errno := unix.RawSyscall6(unix.SYS_KCMP, uintptr(w.tid), uintptr(w.pid), 0, 0, 0, 0); errno == 0 && w.mayBeIn(set) {
		t.Error("three earlier files count")
	}
	register(t, set, number)
	if !w.mayBeIn(set) {
		t.Error("the file of now does not count")
	}
}

func epoll(t *testing.T) int {
	t.Helper()
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(set) })
	return set
}

func socket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// exchange puts another socket at number. The old file stays open, as a copy would keep
// it.
func exchange(t *testing.T, number int) {
	t.Helper()
	kept, err := unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(kept) })
	if err := unix.Dup3(socket(t), number, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
}

func register(t *testing.T, set, fd int) {
	t.Helper()
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: 7}
	if err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		t.Fatal(err)
	}
}
