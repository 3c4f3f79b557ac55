package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
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
	for _, r := range b.allRows() {
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
	start := time.Now()
	for round := range b.rounds {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, b.rounds)
		shared := runs{}
		for i, t := range tasks {
			if t.most != 0 && round >= t.most {
				continue
			}
			for j, s := range sides {
				if !s.can(t.row) || r.Sides[j].leftOut() || r.Rows[i].givenUp(s.name) || b.quick && s.peer && t.pin.name != "" {
					continue
				}
				begun := time.Now()
				figure, err := b.measure(s, t, shared)
				r.Sides[j].took += time.Since(begun)
				r.Rows[i].took += time.Since(begun)
				switch {
				case err == nil:
					r.Rows[i].Figures[s.name] = append(r.Rows[i].Figures[s.name], figure)
				case s.peer, t.table == scaleTable: // it may have its faults, and the machine its limits
					fmt.Fprintf(progress, "%s, %s: %v\n", t.row.name, s.name, err)
					r.Rows[i].Failed[s.name] = append(r.Rows[i].Failed[s.name], err.Error())
				default:
					return nil, err
				}
			}
		}
	}
	r.Took = time.Since(start).Round(time.Second).String()
	r.writeTimes(progress)
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
		result := sideResult{Name: s.name, Peer: s.peer, Isolates: s.isolates, Missing: missing(needs[s.deb]), Refused: b.refused(s)}
		if s.deb != "" && result.Missing == "" {
			result.Version = debVersion(s.deb)
		}
		r.Sides = append(r.Sides, result)
	}
	for _, row := range b.allRows() {
		if lacks := missing(row.needs); lacks != "" {
			r.LeftOut = append(r.LeftOut, fmt.Sprintf("%s: %s is not installed", row.name, lacks))
		}
	}
	for _, t := range tasks {
		row := rowResult{Name: t.row.name, Table: t.table, Pin: t.pin.name, Unit: t.unit, AimMore: float64(t.aimMore),
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
