package e2e

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
)

// held is how many connections are open at once.
const held = 2000

// holdProgram opens $2 connections to the echo server at 203.0.113.10:$1, sends a byte
// on each, and has all the answers come at once. It keeps them while the rest of the
// script is run, and closes them with a reset: TIME-WAIT would hold memory.
const holdProgram = `/usr/bin/python3 -c '
import resource, socket, struct, subprocess, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
kept = [socket.create_connection(("203.0.113.10", int(sys.argv[1]))) for i in range(int(sys.argv[2]))]
for c in kept:
	c.sendall(b"x")
for c in kept:
	assert c.recv(1) == b"x"
	c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
sys.exit(subprocess.call(sys.argv[3:]))
' "$1" "$2"`

// What an idle connection may hold: four goroutines (one a direction in the emulation,
// and in nat), the descriptors of its surrogate and of its host socket, and heap: 20 KiB
// were measured, and one buffer of the pump's would be 64, of the relay's 256.
const (
	heldGoroutines  = 4
	heldDescriptors = 2
	heldMemory      = 40 // KiB
)

// TestHeldConnections: many connections at once cost little each while they are idle,
// and leave nothing when they are closed.
func TestHeldConnections(t *testing.T) {
	bed.Need(t, "python3")
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	if err != nil {
		t.Fatal(err)
	}
	if limit.Max < held*heldDescriptors+100 {
		t.Skip("RLIMIT_NOFILE's hard limit is too low")
	}
	t.Run("idle", func(t *testing.T) {
		const few = 10
		before, after := usages(t, holdProgram+` sh -c 'true`+quiet+`' "$0" "$1"`, few, held)
		more := held - few
		if after.Descriptors > before.Descriptors+more*heldDescriptors+slackDescriptors {
			t.Errorf("descriptors: %d, then %d", before.Descriptors, after.Descriptors)
		}
		if after.Goroutines > before.Goroutines+more*heldGoroutines+slackGoroutines {
			t.Errorf("goroutines: %d, then %d", before.Goroutines, after.Goroutines)
		}
		if after.Memory > before.Memory+more*heldMemory>>10+slackMemory {
			t.Errorf("memory in use: %d MB, then %d MB", before.Memory, after.Memory)
		}
	})
	t.Run("closed", func(t *testing.T) {
		// What goroutines leave in the runtime is there after the first round, too.
		flat(t, fmt.Sprintf(`for i in $(seq "$2"); do set -- "$1" "$2" %d; %s true || exit 1; done`, held/4, strings.ReplaceAll(holdProgram, `"$2"`, `"$3"`))+quiet, 1, 4)
	})
}
