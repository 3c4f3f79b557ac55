package proc

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBorrow(t *testing.T) {
	if !CanBorrow() {
		t.Skip("pidfd_getfd(2) is refused here")
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := os.NewFile(uintptr(fds[0]), "theirs"), os.NewFile(uintptr(fds[1]), "ours")
	defer ours.Close()
	cmd := exec.Command("cat")
	cmd.Stdin = theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	pid := cmd.Process.Pid
	file, errno := Borrow(pid, pid, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	want, errno := SocketInode(pid, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	var st unix.Stat_t
	if err := unix.Fstat(file, &st); err != nil || st.Ino != want {
		t.Errorf("borrowed inode %d, want %d (%v)", st.Ino, want, err)
	}
	unix.Close(file)
	if _, errno := Borrow(pid, pid, 77); errno != unix.EBADF {
		t.Errorf("a descriptor that is not open: %v", errno)
	}
	ours.Close()
	if err := cmd.Wait(); err != nil {
		t.Error("cat saw no end of file: a copy was left open: ", err)
	}
}
