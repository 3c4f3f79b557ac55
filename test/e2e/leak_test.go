package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/world"
)

// connections is how many a program makes in the leak check; the line that is
// to stay flat is drawn after the first tenth, when pools and caches are warm.
const connections = 10_000

// Slack of the leak check. A descriptor or goroutine left by each connection
// would be two orders of magnitude beyond it; those of timers and the resolver
// come and go. Memory in use is 1 or 2 MB; a kilobyte left by each would be twice
// the slack, and an endpoint is ten.
const (
	slackDescriptors = 20
	slackGoroutines  = 20
	slackMemory      = 5 // MB
)

// connectProgram makes $2 connections to the echo server at 203.0.113.10:$1,
// one after the other, says so, and waits.
const connectProgram = `"$0" 203.0.113.10 "$1" "$2" >/dev/null` + quiet

// quiet goes on with few connections until the collector has seen that what was
// before is gone, says so, and waits.
const quiet = ` && sleep 1 && "$0" 203.0.113.10 "$1" 1000 >/dev/null && echo done || exit 1; read line`

// killProgram does $2 times: a child opens 150 connections to that server, with
// data under way both ways, 20 listeners and 20 UDP sockets, and is killed.
const killProgram = `
for i in $(seq "$2"); do
	/usr/bin/python3 -c '
import os, socket, sys
kept = [socket.create_connection(("203.0.113.10", int(sys.argv[1]))) for i in range(150)]
for c in kept:
	c.sendall(b"x" * 20000)
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
	for i in range(20):
		s = socket.socket(socket.AF_INET, kind)
		s.bind(("127.0.0.1", 0))
		if kind == socket.SOCK_STREAM:
			s.listen()
		kept.append(s)
os.kill(os.getpid(), 9)
' "$1"
	test $? = 137 || exit 1
done` + quiet + "\n"

// datagramProgram sends a datagram to that server's port by each of $2 sockets, and
// closes it.
const datagramProgram = `/usr/bin/python3 -c '
import socket, sys
for i in range(int(sys.argv[2])):
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.connect(("203.0.113.10", int(sys.argv[1])))
	s.send(b"x")
	s.close()
' "$1" "$2"` + quiet + "\n"

// A program that has a UDP socket for each question leaves no host sockets behind,
// though nobody tells netbox that one is closed.
func TestDatagramsLeaveNothing(t *testing.T) {
	bed.Need(t, "python3")
	flat(t, datagramProgram, 500, 2000) // sockets are looked at by the hundred
}

// A program that makes 10,000 connections leaves nothing behind in netbox
// while it lives on.
func TestConnectionsLeaveNothing(t *testing.T) {
	flat(t, connectProgram, connections/10, connections)
}

// Programs that are killed with their sockets open leave nothing behind in
// netbox, as long as the box lives on. The heap stops growing after some
// twenty of them.
func TestKilledProgramsLeaveNothing(t *testing.T) {
	bed.Need(t, "python3")
	flat(t, killProgram, 20, 60)
}

// flat compares what netbox holds after the script with few rounds and with many.
func flat(t *testing.T, script string, few, many int) {
	before, after := usages(t, script, few, many)
	if after.Descriptors > before.Descriptors+slackDescriptors {
		t.Errorf("descriptors: %d, then %d", before.Descriptors, after.Descriptors)
	}
	if after.Goroutines > before.Goroutines+slackGoroutines {
		t.Errorf("goroutines: %d, then %d", before.Goroutines, after.Goroutines)
	}
	if after.Memory > before.Memory+slackMemory {
		t.Errorf("memory in use: %d MB, then %d MB", before.Memory, after.Memory)
	}
}

// usages runs the script with few rounds and with many, and returns what netbox holds
// at the end of each.
func usages(t *testing.T, script string, few, many int) (before, after holding) {
	t.Helper()
	w := world.New(t)
	b := bed.Build(t)
	dir := scratch(t)
	client := filepath.Join(dir, "client")
	err := bed.CBuild("gcc", client, "testdata/connections.c")
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(echoInFar(t, w))
	run := func(n int) holding {
		return usageAfter(t, w, b, dir, "sh", "-c", script, client, port, fmt.Sprint(n))
	}
	before, after = run(few), run(many)
	t.Logf("after %d: %+v; after %d: %+v", few, before, many, after)
	return before, after
}

// holding is what netbox holds; Memory, in MB, is what the last collection left in use.
type holding struct{ Descriptors, Goroutines, Memory int }

// usageAfter runs the program in the box and looks at netbox when it has said
// "done" and is still there.
func usageAfter(t *testing.T, w *world.World, b *bed.Binaries, dir string, args ...string) holding {
	t.Helper()
	s := site{"unprivileged", true, bed.Unprivileged()}
	var input io.WriteCloser
	p := bed.Start(t, func(ctx context.Context) *exec.Cmd {
		cmd := s.command(ctx, w, b, dir, nil, args...)
		// Go's collector lets the heap double before it runs; so it runs often,
		// and says what it found.
		cmd.Env = append(cmd.Env, "GOGC=10", "GODEBUG=gctrace=1")
		var err error
		input, err = cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		return cmd
	})
	defer input.Close()
	done := func() bool { return strings.Contains(p.Output(), "done\n") }
	if !bed.Eventually(3*time.Minute, func() bool { return done() || p.Ended() }) || !done() {
		t.Fatalf("%v: %s", args, p.Output())
	}
	inUse := lastCollection(t, p.Output())
	u := bed.UsageOf(t, p)
	return holding{u.Descriptors, u.Goroutines, inUse}
}

// collection is what the runtime says of one (package runtime, GODEBUG=gctrace=1).
var collection = regexp.MustCompile(`(?m)^gc \d+ @.* \d+->\d+->(\d+) MB`)

func lastCollection(t *testing.T, output string) int {
	t.Helper()
	all := collection.FindAllStringSubmatch(output, -1)
	if len(all) == 0 {
		t.Fatalf("no collection: %s", output)
	}
	n, err := strconv.Atoi(all[len(all)-1][1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// echoInFar serves a TCP echo in far and returns its port. The first byte
// decides nothing: connections.c's "ex" comes back whole, and it reads one byte.
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
