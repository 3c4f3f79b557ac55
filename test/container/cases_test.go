package container

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/testprogs"
)

// skipCode is a case's exit status when it cannot run here.
const skipCode = 77

// caseLimit is a little more than a case's own alarm.
const caseLimit = 75 * time.Second

// remotes tells the cases where the hosts of the sim uplink are
// (netemu/uplink/sim/default.yaml).
var remotes = []string{"env",
	"NBT_BLACKHOLE=192.0.2.82", "NBT_REFUSED=192.0.2.81", "NBT_UNREACHABLE=198.51.100.1", "NBT_ECHO=8.8.8.8"}

// TestCases runs the cases of testprogs that may pass in a container. What
// they print has been compared with native runs in test/dual.
func TestCases(t *testing.T) {
	b := build(t)
	programs, err := testprogs.Build(bed.Root(), filepath.Join(bed.Root(), "build", "testprogs"))
	if err != nil {
		t.Fatal(err)
	}
	c := startContainer(t, b.Dir, programs)
	prefix := append([]string{b.Netbox, "run", "--uplink", "sim", "--"}, remotes...)
	for _, p := range testprogs.Programs {
		for _, one := range p.Cases {
			// The others run in test/dual: the container's user is not root.
			if !one.Has(testprogs.Container) || one.Needs&testprogs.Root != 0 {
				continue
			}
			for _, f := range one.Flavours {
				t.Run(p.Name+"/"+one.Name+"/"+string(f), func(t *testing.T) {
					t.Parallel()
					line := append(append([]string{}, prefix...), testprogs.Binary(programs, f, p.Name), one.Name)
					c.runCase(t, one, line)
				})
			}
		}
	}
}

// runCase runs one case: it passes with exit status 0, silently unless it
// prints answers for comparison.
func (c *box) runCase(t *testing.T, one testprogs.Case, line []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), caseLimit)
	defer cancel()
	r := bed.Run(t, c.command(ctx, line...))
	switch {
	case r.Code == skipCode:
		t.Skip(strings.TrimSpace(r.Out + r.Err))
	case r.Code != 0, r.Err != "", r.Out != "" && !one.Compare:
		t.Error(r.Output())
	}
}

// The main path on the simulated internet, in the container.
func TestSim(t *testing.T) {
	b := build(t)
	c := startContainer(t, b.Dir)
	for _, row := range []struct{ command, want string }{
		{"ping -c 2 -i 0.2 8.8.8.8", "2 received, 0% packet loss"},
		{"ping -6 -c 2 -i 0.2 2001:4860:4860::8888", "2 received, 0% packet loss"},
		{"fping 8.8.8.8", "8.8.8.8 is alive"},
		{"traceroute -n -I 8.8.8.8", "8.8.8.8  "},
		{"curl -sS http://example.test/", "This page comes from the internet inside netbox"},
		{"dig +short example.test", "192.0.2.80"},
		{"ip addr", "inet 10.0.2.100/24"},
	} {
		t.Run(row.command, func(t *testing.T) {
			args := strings.Fields(row.command)
			bed.Need(t, args[0])
			r := c.run(t, append([]string{b.Netbox, "run", "--uplink", "sim", "--"}, args...)...)
			if r.Code != 0 || !strings.Contains(r.Out, row.want) {
				t.Error(r.Output())
			}
		})
	}
}

// doctor finds the engine and the helper: its file capability is in the
// container's bounding set, as in Docker's default.
func TestDoctor(t *testing.T) {
	b := build(t)
	c := startContainer(t, b.Dir)
	r := c.run(t, b.Netbox, "doctor")
	if !strings.Contains(r.Out, "ok  engine ptrace") || !strings.Contains(r.Out, "ok  ping by helper") {
		t.Errorf("doctor: %s", r.Output())
	}
}

// Docker's profile refuses what a box without a tracer needs: netbox says so, and
// what can be had.
func TestNotDebuggable(t *testing.T) {
	b := bed.Build(t)
	c := startContainer(t, b.Dir)
	r := c.run(t, b.Netbox, "run", "--debuggable", "--", "echo", "run")
	if r.Code != 125 || r.Out != "" || !strings.Contains(r.Err, "pidfd_getfd(2) is refused") || !strings.Contains(r.Err, "engine ptrace can") {
		t.Error(r.Output())
	}
}
