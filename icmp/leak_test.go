package icmp

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Opening and closing leaves no descriptor, goroutine or process behind, also
// with requests under way.
func TestNothingLeftBehind(t *testing.T) {
	if !inside(t, asRoot, true) {
		return
	}
	for _, helper := range []string{os.Getenv(plainEnv), "/nonexistent"} {
		round := func() {
			c, err := Open(Options{HelperPath: helper})
			if err != nil {
				t.Fatal(err)
			}
			a := newAsker(t, c)
			a.checkEcho(Request{Dst: addr(farAddrs[0]), Payload: pattern(56)})
			for range 100 {
				a.send(Request{Dst: addr(farAddrs[0]), Payload: pattern(56)})
			}
			c.Close()
			c.Close() // does nothing
		}
		round() // what the runtime opens once
		fds, goroutines := countFDs(t), runtime.NumGoroutine()
		for range 20 {
			round()
		}
		await(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
		if got := countFDs(t); got != fds {
			t.Errorf("%d descriptors, were %d", got, fds)
		}
	}
	var ws unix.WaitStatus
	if pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

func countFDs(tb testing.TB) int {
	tb.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(fds)
}
