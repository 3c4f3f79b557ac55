package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
	"netbox/test/world"
)

// usage is what a netbox process holds.
type usage struct {
	descriptors, goroutines int
	memory                  int // VmRSS, kB
}

// connections is how many a program makes in the leak check; the flat line is
// drawn after the first tenth, when pools and caches are warm.
const connections = 10_000

// Slack of the leak check: a descriptor or goroutine a connection, or a
// kilobyte of memory, would be two orders of magnitude beyond it. Goroutines
// and descriptors come and go with timers and the resolver; the heap's
// high-water mark is Go's to decide.
const (
	slackDescriptors = 20
	slackGoroutines  = 20
	slackMemory      = 16 << 10
)

// leakProgram makes $2 connections to the echo server at 203.0.113.10:$1, one
// after the other, says so, and waits.
const leakProgram = `"$0" connect 203.0.113.10 "$1" "$2" >/dev/null && echo connected; read line`

// A program that makes 10,000 connections leaves nothing behind in netbox
// while it lives on.
func TestConnectionsLeaveNothing(t *testing.T) {
	w := world.New(t)
	b := bed.Build(t)
	dir := scratch(t)
	client := filepath.Join(dir, "client")
	err := bed.CBuild("gcc", client, filepath.Join(bed.Root(), "test/bench/testdata/client.c"))
	if err != nil {
		t.Fatal(err)
	}
	port := echoInFar(t, w)
	before := usageAfter(t, w, b, dir, client, port, connections/10)
	after := usageAfter(t, w, b, dir, client, port, connections)
	t.Logf("after %d connections: %+v; after %d: %+v", connections/10, before, connections, after)
	if after.descriptors > before.descriptors+slackDescriptors {
		t.Errorf("descriptors: %d, then %d", before.descriptors, after.descriptors)
	}
	if after.goroutines > before.goroutines+slackGoroutines {
		t.Errorf("goroutines: %d, then %d", before.goroutines, after.goroutines)
	}
	if after.memory > before.memory+slackMemory {
		t.Errorf("memory: %d kB, then %d kB", before.memory, after.memory)
	}
}

// usageAfter runs the program with n connections and looks at netbox when they
// are over and the program still there.
func usageAfter(t *testing.T, w *world.World, b *bed.Binaries, dir, client string, port uint16, n int) usage {
	t.Helper()
	s := site{"unprivileged", true, bed.Unprivileged()}
	var input io.WriteCloser
	p := bed.Start(t, func(ctx context.Context) *exec.Cmd {
		cmd := s.command(ctx, w, b, dir, nil, "sh", "-c", leakProgram, client, fmt.Sprint(port), fmt.Sprint(n))
		var err error
		input, err = cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		return cmd
	})
	defer input.Close()
	if !bed.Eventually(3*time.Minute, func() bool { return strings.Contains(p.Output(), "connected") || p.Ended() }) || p.Ended() {
		t.Fatalf("%d connections: %s", n, p.Output())
	}
	pid := p.Cmd.Process.Pid
	u := usage{descriptors: settled(t, pid), memory: memory(t, pid)}
	u.goroutines = goroutines(t, p)
	return u
}

// settled is the process's number of descriptors once it has stopped falling:
// the last connections are still closing.
func settled(t *testing.T, pid int) int {
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

func memory(t *testing.T, pid int) int {
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
func goroutines(t *testing.T, p *bed.Background) int {
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

// echoInFar serves a TCP echo in far and returns its port. The first byte
// decides nothing: client.c's "ex" comes back whole, and it reads one byte.
func echoInFar(t *testing.T, w *world.World) uint16 {
	t.Helper()
	var l net.Listener
	err := w.Far.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(world.Far4, 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				// A reset is the client's business.
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}
