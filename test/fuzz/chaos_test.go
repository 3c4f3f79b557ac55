package fuzz

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
)

// Seconds of a chaos run: of the short one that the others are compared with,
// and of each seed.
const (
	shortChaos = 2
	longChaos  = 6
	// fullChaos is a seed's part of a long run.
	fullChaos = 60
)

// What a longer run may hold more than a short one. An endpoint, goroutine or
// descriptor left by one call in a thousand would be several times as much.
// Netstack keeps connections in TIME-WAIT for a minute, which take memory.
const (
	moreDescriptors = 30
	moreGoroutines  = 30
	moreMemory      = 96 << 10 // kB
)

func TestChaos(t *testing.T) {
	program, netbox := build(t, "chaos"), bed.Build(t).Netbox
	before := chaos(t, netbox, program, *seedFlag, shortChaos)
	seconds := longChaos
	if *forFlag > 0 {
		seconds = fullChaos
	}
	seeds(t, func(seed uint64) {
		after := chaos(t, netbox, program, seed, seconds)
		t.Logf("seed %d: after %d s: %+v; after %d s: %+v", seed, shortChaos, before, seconds, after)
		if after.Descriptors > before.Descriptors+moreDescriptors {
			t.Errorf("seed %d: descriptors: %d, then %d", seed, before.Descriptors, after.Descriptors)
		}
		if after.Goroutines > before.Goroutines+moreGoroutines {
			t.Errorf("seed %d: goroutines: %d, then %d", seed, before.Goroutines, after.Goroutines)
		}
		if after.Memory > before.Memory+moreMemory {
			t.Errorf("seed %d: memory: %d kB, then %d kB", seed, before.Memory, after.Memory)
		}
	})
}

// chaos runs the program to its end in a box, and looks at netbox, which lives on
// by a shell. No packet can leave the box.
func chaos(t *testing.T, netbox, program string, seed uint64, seconds int) bed.Usage {
	t.Helper()
	var input io.WriteCloser
	p := bed.Start(t, func(ctx context.Context) *exec.Cmd {
		args := append(append([]string{}, bed.Unprivileged().Prefix...), netbox, "run", "--uplink", "none", "--",
			"sh", "-c", `"$0" "$@" && sleep 3 && echo done; read line`, program, fmt.Sprint(seed), fmt.Sprint(seconds))
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(bed.Environment(), "PATH="+bed.Path, "GOGC=10")
		var err error
		if input, err = cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		return cmd
	})
	defer input.Close()
	done := func() bool { return strings.Contains(p.Output(), "done\n") }
	if !bed.Eventually(time.Duration(seconds)*time.Second+limit, func() bool { return done() || p.Ended() }) || !done() {
		t.Fatalf("seed %d: the program does not end, or netbox does: %s", seed, p.Output())
	}
	return bed.UsageOf(t, p)
}
