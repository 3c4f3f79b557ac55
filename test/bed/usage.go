package bed

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/world"
)

// Usage is what a netbox process holds.
type Usage struct {
	Descriptors, Goroutines int
	Memory                  int // VmRSS, kB
}

// UsageOf looks at p, which is a netbox process, and ends it. Netbox is not
// dumpable: only root may see its descriptors (proc(5)).
func UsageOf(t testing.TB, p *Background) Usage {
	t.Helper()
	world.NeedRoot(t)
	pid := p.Cmd.Process.Pid
	u := Usage{Descriptors: settled(t, pid), Memory: memory(t, pid)}
	u.Goroutines = goroutines(t, p)
	return u
}

// settled is the process's number of descriptors once it has stopped falling:
// the last connections are still closing.
func settled(t testing.TB, pid int) int {
	t.Helper()
	count := func() int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	last := count()
	for range 10 {
		time.Sleep(300 * time.Millisecond)
		now := count()
		if now >= last {
			return now
		}
		last = now
	}
	return last
}

func memory(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] == "VmRSS:" {
			kB, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kB
		}
	}
	t.Fatalf("process %d has no VmRSS", pid)
	return 0
}

var goroutineLine = regexp.MustCompile(`(?m)^goroutine \d+ .*\[`)

// goroutines counts the goroutines of a Go process by the stack dump with
// which its runtime dies of SIGABRT.
func goroutines(t testing.TB, p *Background) int {
	t.Helper()
	err := p.Cmd.Process.Signal(unix.SIGABRT)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Wait(20 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	n := len(goroutineLine.FindAllString(p.Output(), -1))
	if n == 0 {
		t.Fatalf("no stack dump: %s", p.Output())
	}
	return n
}
