package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"netbox/test/bed"
)

// task is a row under one pin.
type task struct {
	row
	pin
}

// tasks are the measurements of a round, in the order of the table.
func (b *bench) tasks() []task {
	var list []task
	for _, r := range rows {
		for i, p := range b.pins {
			// In the box there is no server to pin.
			if r.inside && p.client != p.server {
				continue
			}
			if (i == 0 || r.pinned) && missing(r.needs) == "" && strings.Contains(r.name, b.rows) {
				list = append(list, task{r, p})
			}
		}
	}
	return list
}

// measureAll takes every measurement as many times as there are rounds, all sides
// in turns, so that a change of the machine's mood meets all of them.
func (b *bench) measureAll(progress io.Writer) (*results, error) {
	tasks := b.tasks()
	r := b.begin(tasks)
	for round := range b.rounds {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, b.rounds)
		for i, t := range tasks {
			for j, s := range sides {
				if !s.can(t.row) || r.Sides[j].Missing != "" || r.Rows[i].givenUp(s.name) || b.quick && s.peer && t.pin.name != "" {
					continue
				}
				figure, err := b.measure(s, t)
				switch {
				case err == nil:
					r.Rows[i].Figures[s.name] = append(r.Rows[i].Figures[s.name], figure)
				case s.peer: // it may have its faults
					fmt.Fprintf(progress, "%s, %s: %v\n", t.row.name, s.name, err)
					r.Rows[i].Failed[s.name] = append(r.Rows[i].Failed[s.name], err.Error())
				default:
					return nil, err
				}
			}
		}
	}
	return r, nil
}

// maxFailures bounds the time that a peer's faults take.
const maxFailures = 3

// givenUp says that a peer cannot, or only seldom can.
func (r rowResult) givenUp(side string) bool {
	failures := len(r.Failed[side])
	return failures >= maxFailures || failures > 0 && len(r.Figures[side]) == 0
}

// begin makes results without figures.
func (b *bench) begin(tasks []task) *results {
	commit, _ := exec.Command("git", "-C", bed.Root(), "describe", "--always", "--dirty").Output() // none in an export
	r := &results{Date: time.Now().UTC().Format(time.DateOnly), Command: strings.Join(os.Args, " "), Machine: b.machine,
		Commit: strings.TrimSpace(string(commit)), Rounds: b.rounds, Spell: b.spell.String()}
	for _, s := range sides {
		result := sideResult{Name: s.name, Peer: s.peer, Isolates: s.isolates, Missing: missing(needs[s.deb])}
		if s.deb != "" && result.Missing == "" {
			result.Version = debVersion(s.deb)
		}
		r.Sides = append(r.Sides, result)
	}
	for _, t := range tasks {
		row := rowResult{Name: t.row.name, Pin: t.pin.name, Unit: t.unit, AimMore: float64(t.aimMore),
			Figures: map[string][]float64{}, Aims: map[string]float64{}, Failed: map[string][]string{}}
		for _, s := range sides {
			if s.aim != nil && s.aim(t.aims) != 0 {
				row.Aims[s.name] = s.aim(t.aims)
			}
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

// runTimeout ends a peer that hangs; no run takes a tenth of it.
const runTimeout = 30 * time.Second

func (b *bench) measure(s side, t task) (float64, error) {
	command := t.command
	if s.name == native && t.floor != nil {
		command = t.floor
	}
	args := b.words(s, t.pin, command)
	ctx, cancel := context.WithTimeout(context.Background(), runTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	// A group of its own can be killed as a whole.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	// A peer that fails may leave a child behind (pasta where it has no user
	// namespace). Where it did not, there is no such group any more.
	defer func() {
		if cmd.Process != nil {
			_ = cmd.Cancel()
		}
	}()
	var out, errors bytes.Buffer
	cmd.Stderr = &errors
	if t.unit == bytesHeld {
		size, err := sizeOf(cmd, s.supervisors)
		return size, describe(err, args, &errors)
	}
	cmd.Stdout = &out
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return 0, describe(err, args, &errors)
	}
	if t.timed {
		return float64(took.Nanoseconds()), nil
	}
	figure, err := t.read(out.String())
	return figure, describe(err, args, &errors)
}

func describe(err error, args []string, errors *bytes.Buffer) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%v: %w: %s", args, err, strings.TrimSpace(errors.String()))
}

func (r row) read(out string) (float64, error) {
	if r.figure != nil {
		found := r.figure.FindStringSubmatch(out)
		if found == nil {
			return 0, fmt.Errorf("no figure in %q", out)
		}
		out = found[1]
	}
	return strconv.ParseFloat(strings.TrimSpace(out), 64)
}

// sizeOf starts a client that uses the network and then waits for its input to
// end, and looks at who carries the network meanwhile.
func sizeOf(cmd *exec.Cmd, supervisors []string) (float64, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	err = cmd.Start()
	if err != nil {
		return 0, err
	}
	var size float64
	_, err = io.ReadFull(out, make([]byte, len("idle\n")))
	if err == nil {
		size, err = resident(cmd.Process.Pid, supervisors)
	}
	in.Close()
	ended := cmd.Wait()
	if err == nil {
		err = ended
	}
	return size, err
}
