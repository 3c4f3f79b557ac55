package dual

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/lines"
	"netbox/test/world"
	"netbox/testprogs"
)

// TestDual runs the table: all of the native column, then all of netbox's.
func TestDual(t *testing.T) {
	s := newSuite(t)
	for _, c := range columns(t) {
		rows := c.of(rowsOf(t))
		s.runAll(c, rows)
		t.Run(c.name, func(t *testing.T) {
			for _, r := range rows {
				if !s.elsewhere(c, r) {
					t.Run(r.name(), func(t *testing.T) { s.report(t, c, r) })
				}
			}
		})
	}
	for _, entry := range s.allow.Unused() {
		if !everything() {
			break // a part of the runs does not need every entry
		}
		t.Errorf("differences.yaml allows what does not differ: %s", entry)
	}
	s.writeTable(t)
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	cache, err := testprogs.Build(bed.Root(), filepath.Join(bed.Root(), "build", "testprogs"))
	if err != nil {
		t.Fatal(err)
	}
	folder, remove, err := stage(cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	s := &suite{folder: folder, allow: lines.Read(t, "testdata/differences.yaml"), outcomes: map[string]map[string]outcome{}}
	if hostsCanBeMade() {
		s.host = newHost(t)
	} else {
		t.Run("host", func(t *testing.T) {
			world.Skip(t, "namespaces can't be made here: cases that need remote hosts are left out")
		})
	}
	return s
}

// columns are the runs that the flags ask for, native ones first.
func columns(t *testing.T) []column {
	t.Helper()
	var list []column
	users := []bed.User{{Name: "root"}, bed.Unprivileged()}
	users[1].Name = "nobody"
	if os.Geteuid() != 0 {
		// An ordinary user without namespaces has only itself.
		users = users[1:]
	}
	for _, place := range []string{"native", "debuggable", "notify", "ptrace"} {
		if (place == "notify" || place == "debuggable") && has(*whereFlag, place) && !canNotify(t) {
			continue
		}
		for _, u := range users {
			if !has(*whereFlag, place) || !has(*usersFlag, u.Name) {
				continue
			}
			c := column{name: place + "/" + u.Name, place: testprogs.Native, user: u}
			if place != "native" {
				c.place = testprogs.Netbox
				c.netbox = []string{netboxBinary(t), "run", "--engine", place, "--uplink", *uplinkFlag, "--"}
				if place == "debuggable" {
					c.place = testprogs.Debuggable
					c.netbox = []string{netboxBinary(t), "run", "--debuggable", "--uplink", *uplinkFlag, "--"}
				}
			}
			list = append(list, c)
		}
	}
	if n := len(list); n > 0 && list[n-1].netbox != nil {
		list = append(list, packets(list[n-1]))
	}
	return list
}

// packets is a column without the fast path, for the programs that have streams.
func packets(c column) column {
	c.name = "packets/" + c.user.Name
	c.netbox = []string{c.netbox[0], "run", "--no-fast-path", "--uplink", *uplinkFlag, "--"}
	c.programs = strings.Fields("share epoll poll accept connect signals interrupt scale tcp stream names " + testprogs.GoProgram)
	return c
}

// canNotify asks netbox whether its faster engine can be had here.
func canNotify(t *testing.T) (yes bool) {
	t.Run("notify", func(t *testing.T) {
		out, err := exec.Command(netboxBinary(t), "doctor").Output()
		if yes = strings.Contains(string(out), "ok  engine notify"); !yes {
			world.Skip(t, "engine notify can't be had here: %v\n%s", err, out)
		}
	})
	return yes
}

// netboxBinary is what NETBOX names, or netbox as built from this tree.
func netboxBinary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("NETBOX"); path != "" {
		return path
	}
	return bed.Build(t).Netbox
}

func rowsOf(t *testing.T) []row {
	t.Helper()
	var rows []row
	for _, p := range testprogs.Programs {
		for _, c := range p.Cases {
			for _, f := range c.Flavours {
				r := row{program: p.Name, Case: c, flavour: f}
				if chosen(t, r.name()) {
					rows = append(rows, r)
				}
			}
		}
	}
	return rows
}

func (s *suite) runAll(c column, rows []row) {
	var workers sync.WaitGroup
	slots := make(chan struct{}, *jobsFlag)
	for _, r := range rows {
		slots <- struct{}{}
		workers.Add(1) // execute
		go func() {
			defer workers.Done()
			defer func() { <-slots }()
			s.execute(c, r)
		}()
	}
	workers.Wait()
}

func (s *suite) report(t *testing.T, c column, r row) {
	o := s.outcomes[r.name()][c.name]
	switch o.verdict {
	case failed:
		t.Error(o.why)
	case skipped:
		world.Skip(t, "%s", o.why)
	}
}

// writeTable writes a line a row, a column a run.
func (s *suite) writeTable(t *testing.T) {
	t.Helper()
	var b strings.Builder
	counts := map[string]map[string]int{}
	list := columns(t)
	for _, r := range rowsOf(t) {
		fmt.Fprintf(&b, "%-44s", r.name())
		for _, c := range list {
			o, ran := s.outcomes[r.name()][c.name]
			if !ran {
				continue
			}
			if counts[c.name] == nil {
				counts[c.name] = map[string]int{}
			}
			counts[c.name][o.verdict]++
			text := o.verdict
			if o.verdict == skipped {
				text += " (" + o.why + ")"
			} else {
				text += fmt.Sprintf(" %.1fs", o.took.Round(100*time.Millisecond).Seconds())
			}
			fmt.Fprintf(&b, "  %s: %-12s", c.name, text)
		}
		fmt.Fprintln(&b)
	}
	for _, c := range list {
		n := counts[c.name]
		line := fmt.Sprintf("%s: %d ok, %d FAIL, %d skip", c.name, n[passed], n[failed], n[skipped])
		t.Log(line)
		fmt.Fprintln(&b, line)
	}
	if err := os.WriteFile(*tableFlag, []byte(b.String()), 0o644); err != nil {
		t.Error(err)
	}
}

// TestTable: the table lists each case that the programs have, and no other.
func TestTable(t *testing.T) {
	folder, err := testprogs.Build(bed.Root(), filepath.Join(bed.Root(), "build", "testprogs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range testprogs.Programs {
		out, err := exec.Command(testprogs.Binary(folder, p.Flavours()[0], p.Name)).Output()
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		has := strings.Fields(string(out))
		var listed []string
		for _, c := range p.Cases {
			listed = append(listed, c.Name)
			if c.Places != testprogs.Everywhere && c.Reason == "" {
				t.Errorf("%s/%s lacks a place and tells no reason", p.Name, c.Name)
			}
		}
		slices.Sort(has)
		slices.Sort(listed)
		if !slices.Equal(has, listed) {
			t.Errorf("%s has the cases\n%v, and the table lists\n%v", p.Name, has, listed)
		}
	}
}
