package dual

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"netbox/test/bed"
	"netbox/test/lines"
	"netbox/test/world"
	"netbox/testprogs"
)

// limit is a case's time under netbox, and natively; its own alarm is a little
// earlier, so that the case can say that it hangs.
const limit = 75 * time.Second

// skipCode is a case's exit status when it cannot run here.
const skipCode = 77

// column is one way to run the cases: a place and a user.
type column struct {
	name  string
	place testprogs.Place
	user  bed.User
	// netbox is the command line before the program; nil natively.
	netbox []string
	// programs are those that run; nil: all.
	programs []string
}

// of is the rows that the column has.
func (c column) of(rows []row) []row {
	if c.programs == nil {
		return rows
	}
	var list []row
	for _, r := range rows {
		if slices.Contains(c.programs, r.program) {
			list = append(list, r)
		}
	}
	return list
}

// row is one case in one flavour.
type row struct {
	program string
	testprogs.Case
	flavour testprogs.Flavour
}

// name is program/case, and the flavour when it is not the usual one.
func (r row) name() string {
	name := r.program + "/" + r.Name
	if r.flavour != testprogs.Dynamic && r.flavour != testprogs.Go {
		name += "/" + string(r.flavour)
	}
	return name
}

// outcome is how a case ended: ok, FAIL with why, or skip with the reason.
type outcome struct {
	verdict string
	why     string
	// lines is what a compared case printed.
	lines string
	took  time.Duration
}

const (
	passed  = "ok"
	failed  = "FAIL"
	skipped = "skip"
)

// suite is what the runs share.
type suite struct {
	folder string
	host   *world.Namespace // nil: this machine's own
	allow  lines.Differences

	mu       sync.Mutex                    // also guards the entries of allow
	outcomes map[string]map[string]outcome // by row, by column
}

// execute runs a row once and records how it ended.
func (s *suite) execute(c column, r row) {
	o := s.run(c, r)
	if o.verdict == passed && r.Compare && c.netbox != nil {
		o = s.compared(c, r, o)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outcomes[r.name()] == nil {
		s.outcomes[r.name()] = map[string]outcome{}
	}
	s.outcomes[r.name()][c.name] = o
}

// hurried are cases that the race detector is too slow for on a busy machine. The
// first two are of what Linux has done when a call returns, and netbox soon after: the
// call waits for it, for no more than 20 ms (promptLimit). The third took 40 to 60 s, and
// a case has a minute; there is one with 1,000 connections.
var hurried = []string{"names/peer_reset_at_once", "connect/refused_then_poll", "scale/sequential_10000"}

// unmet is why the case is not for this column, empty if it is.
func (s *suite) unmet(c column, r row) string {
	switch {
	case !r.Has(c.place):
		return r.Reason
	case bed.Race && c.netbox != nil && slices.Contains(hurried, r.program+"/"+r.Name):
		return "needs netbox at its speed without the race detector"
	case r.Needs&testprogs.Root != 0 && len(c.user.Prefix) > 0:
		return "needs root"
	case r.Needs&testprogs.NetRaw != 0 && len(c.user.Prefix) > 0 && c.netbox == nil:
		return "needs CAP_NET_RAW"
	case r.Needs&testprogs.Remote != 0 && s.host == nil && c.netbox == nil:
		return "needs remote hosts, and no namespace can be made"
	}
	return ""
}

// elsewhere tells whether the case is for another column. Where no namespace
// can be made, no column has rights or remote hosts, and what needs them is
// left out.
func (s *suite) elsewhere(c column, r row) bool {
	return !r.Has(c.place) || s.unmet(c, r) != "" && s.host != nil
}

func (s *suite) run(c column, r row) outcome {
	if why := s.unmet(c, r); why != "" {
		return outcome{verdict: skipped, why: why}
	}
	args := append([]string{}, c.user.Prefix...)
	args = append(args, c.netbox...)
	args = append(args, testprogs.Binary(s.folder, r.flavour, r.program), r.Name)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var cmd *exec.Cmd
	if s.host != nil {
		cmd = s.host.Command(ctx, args...)
	} else {
		cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	}
	return finish(ctx, cmd, s.environment(c), r.Compare)
}

func (s *suite) environment(c column) []string {
	env := append(bed.Environment(), "PATH="+bed.Path, "HOME=/nonexistent", "LC_ALL=C.UTF-8")
	if s.host != nil || c.netbox != nil {
		env = append(env, remoteEnvironment...)
	}
	return env
}

// finish runs the command and reads its exit status as an outcome.
func finish(ctx context.Context, cmd *exec.Cmd, env []string, lines bool) outcome {
	var out, errs bytes.Buffer
	cmd.Env, cmd.Dir = env, "/"
	cmd.Stdout, cmd.Stderr = &out, &errs
	bed.Group(cmd)
	begin := time.Now()
	err := cmd.Run()
	o := outcome{verdict: failed, took: time.Since(begin)}
	text := strings.TrimSpace(strings.Join([]string{out.String(), errs.String()}, "\n"))
	switch {
	case cmd.ProcessState == nil:
		o.why = fmt.Sprint("cannot be started: ", err)
	case ctx.Err() != nil:
		o.why = fmt.Sprintf("no end within %v: %s", limit, text)
	case bed.ExitCode(cmd.ProcessState) == skipCode:
		o.verdict, o.why = skipped, strings.TrimPrefix(text, "skip: ")
	case err == nil && lines:
		o.verdict, o.lines = passed, out.String()
	case err == nil && text == "":
		o.verdict = passed
	case err == nil:
		o.why = "passed, but not silently: " + text
	default:
		o.why = fmt.Sprintf("exit %d: %s", bed.ExitCode(cmd.ProcessState), text)
	}
	return o
}

// stage returns a folder with the programs that every user may enter: the
// cache itself, or a copy of it.
func stage(cache string) (folder string, remove func(), err error) {
	for dir := cache; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return "", nil, err
		}
		if info.Mode().Perm()&0o005 == 0o005 {
			continue
		}
		copied, err := bed.PublicDir("netbox-testprogs-", 0o755)
		if err != nil {
			return "", nil, err
		}
		return copied, func() { os.RemoveAll(copied) }, os.CopyFS(copied, os.DirFS(cache))
	}
	return cache, func() {}, nil
}
