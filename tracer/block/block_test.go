package block

import (
	"io"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What other goroutines do, and the collector, while one waits for a child is to leave
// its stack and its processor as they are.
func TestWait4(t *testing.T) {
	for _, processors := range []int{1, 4} {
		before := runtime.GOMAXPROCS(processors)
		t.Cleanup(func() { runtime.GOMAXPROCS(before) })
		for range 50 {
			waitForCat(t)
		}
	}
}

func waitForCat(t *testing.T) {
	cat := exec.Command("cat")
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cat.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan unix.WaitStatus)
	go func() {
		var status uint32
		pid, errno := Wait4(cat.Process.Pid, &status, 0)
		for errno == unix.EINTR {
			pid, errno = Wait4(cat.Process.Pid, &status, 0)
		}
		if pid != cat.Process.Pid || errno != 0 {
			t.Errorf("wait4 returns %d, %v", pid, errno)
		}
		ended <- unix.WaitStatus(status)
	}()
	if _, err := io.WriteString(in, "still there"); err != nil {
		t.Error(err)
	}
	b := make([]byte, len("still there"))
	if _, err := io.ReadFull(out, b); err != nil {
		t.Error(err)
	}
	runtime.GC()
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if status := <-ended; !status.Exited() || status.ExitStatus() != 0 {
		t.Errorf("cat ended with %#x", status)
	}
}

func TestErrors(t *testing.T) {
	var status uint32
	if pid, errno := Wait4(1, &status, 0); errno != unix.ECHILD {
		t.Errorf("wait4 of init returns %d, %v, not ECHILD", pid, errno)
	}
	if r, errno := Ioctl(-1, unix.TIOCINQ, unsafe.Pointer(&status)); errno != unix.EBADF {
		t.Errorf("ioctl of no descriptor returns %d, %v, not EBADF", r, errno)
	}
}
