package fuzz

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/lines"
	"netbox/test/world"
)

const (
	// batch is how many scenes one process plays: a brief run.
	batch = 150
	// callsInScene is CALLS_IN_SCENE of calls.c.
	callsInScene = 8
	// limit is a batch's time, some twenty times what it takes on an idle machine.
	limit = 4 * time.Minute
)

// player runs calls natively and under netbox.
type player struct {
	t       *testing.T
	program string
	netbox  string
	host    *world.Namespace
	user    bed.User
	allowed lines.Differences
}

func TestCalls(t *testing.T) {
	p := &player{
		t: t, program: build(t, "calls"), netbox: bed.Build(t).Netbox,
		host: world.NewNamespace(t, "fuzz"), user: bed.Unprivileged(),
		allowed: lines.Read(t, "testdata/differences.yaml"),
	}
	groups := "0 2147483647"
	if world.InUserNamespace() {
		groups = "0 0" // it has no other group
	}
	for _, setting := range []string{"net.ipv4.ping_group_range=" + groups, "net.ipv4.ip_unprivileged_port_start=0"} {
		if err := p.host.Run("sysctl", "-qw", setting); err != nil {
			t.Fatal(err)
		}
	}
	seeds(t, p.compare)
}

// run plays scenes and returns what was printed, by scene.
func (p *player) run(box bool, seed uint64, first, count int, calls []int) map[string][]string {
	p.t.Helper()
	args := append([]string{}, p.user.Prefix...)
	if box {
		args = append(args, p.netbox, "run", "--uplink", "none", "--")
	}
	args = append(args, p.program, fmt.Sprint(seed), fmt.Sprint(first), fmt.Sprint(count))
	for _, c := range calls {
		args = append(args, fmt.Sprint(c))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := p.host.Command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	bed.Group(cmd)
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		p.t.Fatalf("%s: %v after\n%s%s", strings.Join(args, " "), err, tail(out.String()), errs.String())
	}
	return byScene(out.String())
}

// tail is the end of a long text.
func tail(s string) string { return s[max(0, len(s)-2000):] }

func byScene(text string) map[string][]string {
	scenes := map[string][]string{}
	for line := range strings.Lines(text) {
		scene, _, _ := strings.Cut(line, ".")
		scenes[scene] = append(scenes[scene], strings.TrimSuffix(line, "\n"))
	}
	return scenes
}

// compare plays a batch of the seed, and looks into scenes that differ.
func (p *player) compare(seed uint64) {
	p.t.Helper()
	native, box := p.run(false, seed, 0, batch, nil), p.run(true, seed, 0, batch, nil)
	for scene := range batch {
		name := fmt.Sprint(scene)
		if difference(p.allowed, native[name], box[name]) != "" {
			p.shrink(seed, scene)
		}
	}
}

// difference is the first of a scene's lines that may not differ and does. What
// follows a line that does is played on sockets in another state.
func difference(allowed lines.Differences, native, box []string) string {
	var earlier []string
	for i := range max(len(native), len(box)) {
		var want, got string
		if i < len(native) {
			want = native[i]
		}
		if i < len(box) {
			got = box[i]
		}
		if want == got {
			earlier = append(earlier, withoutNumber(want))
			continue
		}
		if allowed.Allow("calls", withoutNumber(want), withoutNumber(got), earlier...) {
			return ""
		}
		return fmt.Sprintf("native %s\nnetbox %s", want, got)
	}
	return ""
}

// withoutNumber is a line without the scene and the call.
func withoutNumber(line string) string {
	_, rest, _ := strings.Cut(line, " ")
	return rest
}

// shrink leaves calls out of a scene as long as it still differs, and reports
// it. A scene that does not differ when it is played alone, thrice, was slow.
func (p *player) shrink(seed uint64, scene int) {
	p.t.Helper()
	differs := func(calls []int) string {
		native, box := p.run(false, seed, scene, 1, calls), p.run(true, seed, scene, 1, calls)
		return difference(p.allowed, native[fmt.Sprint(scene)], box[fmt.Sprint(scene)])
	}
	var calls []int
	for i := range callsInScene {
		calls = append(calls, i+1)
	}
	var shortest string
	for range 3 {
		if shortest = differs(calls); shortest == "" {
			p.t.Logf("seed %d, scene %d differed once and does not any more", seed, scene)
			return
		}
	}
	for i := len(calls) - 1; i >= 0 && len(calls) > 1; i-- {
		fewer := append(append([]int{}, calls[:i]...), calls[i+1:]...)
		if d := differs(fewer); d != "" {
			calls, shortest = fewer, d
		}
	}
	command := exec.Command("calls", fmt.Sprint(seed), fmt.Sprint(scene), "1")
	for _, c := range calls {
		command.Args = append(command.Args, fmt.Sprint(c))
	}
	p.t.Errorf("%s\n%s", strings.Join(command.Args, " "), shortest)
}
