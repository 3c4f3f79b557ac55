package proc

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// sleeper starts cat with one end of a pair as its standard input.
func sleeper(t *testing.T) (pid int, ours *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := os.NewFile(uintptr(fds[0]), "theirs"), os.NewFile(uintptr(fds[1]), "ours")
	cmd := exec.Command("sleep", "60")
	cmd.Stdin = theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	t.Cleanup(func() {
		ours.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid, ours
}

// What is kept tells what the functions of a number tell, before and after Close, and
// does not outlive it.
func TestThreadTellsTheSame(t *testing.T) {
	pid, _ := sleeper(t)
	before := kept.Load()
	th := NewThread(pid, pid)
	for range 2 {
		for _, fd := range []int32{0, 1, 77, -1, unix.AT_FDCWD} {
			ino, e := th.Inode(fd)
			wantIno, wantE := SocketInode(pid, fd)
			if ino != wantIno || e != wantE {
				t.Errorf("inode of %d: %d, %v, want %d, %v", fd, ino, e, wantIno, wantE)
			}
			name, e := th.Protocol(fd)
			wantName, wantE := SocketProtocol(pid, fd)
			if name != wantName || e != wantE {
				t.Errorf("protocol of %d: %q, %v, want %q, %v", fd, name, e, wantName, wantE)
			}
			flags, e := th.StatusFlags(fd)
			wantFlags, wantE := StatusFlags(pid, fd)
			if flags != wantFlags || e != wantE {
				t.Errorf("flags of %d: %o, %v, want %o, %v", fd, flags, e, wantFlags, wantE)
			}
			var b, want [PathMax]byte
			n, e := th.Path(fd, b[:])
			wantN, wantE := FilePath(pid, fd, want[:])
			if string(b[:n]) != string(want[:wantN]) || e != wantE && fd >= 0 && wantE != unix.ENOENT {
				t.Errorf("path of %d: %q, %v, want %q, %v", fd, b[:n], e, want[:wantN], wantE)
			}
		}
		th.Close()
	}
	if now := kept.Load(); now != before {
		t.Errorf("%d tasks are kept, before there were %d", now, before)
	}
}

// The name of an AF_UNIX socket has the mode of a socket, and an inode number that its
// maker may choose; it is none.
func TestSocketName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "name")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(name)
	// The first thread may have a descriptor table of its own by now (controlAlone).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	th := NewThread(unix.Gettid(), os.Getpid())
	defer th.Close()
	if ino, e := th.Inode(int32(name)); e != unix.ENOTSOCK {
		t.Errorf("inode %d, %v, not ENOTSOCK", ino, e)
	}
	want, _ := SocketInode(unix.Gettid(), int32(fd))
	if ino, e := th.Inode(int32(fd)); ino != want || e != 0 {
		t.Errorf("inode %d, %v, want %d", ino, e, want)
	}
}

// Beyond the bound nothing is kept, and all the same is told.
func TestThreadBound(t *testing.T) {
	pid, _ := sleeper(t)
	kept.Add(maxKept)
	defer kept.Add(-maxKept)
	th := NewThread(pid, pid)
	defer th.Close()
	want, _ := SocketInode(pid, 0)
	if ino, e := th.Inode(0); ino != want || e != 0 || th.keeps != keepsNothing {
		t.Errorf("inode %d, %v, keeps %d; want %d and nothing kept", ino, e, th.keeps, want)
	}
}
