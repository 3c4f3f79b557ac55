package conformance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"netbox/test/bed"
)

// caseLimit is a case's time. The slowest takes some 10 s on an idle machine.
const caseLimit = 90 * time.Second

// batchSize makes some thirty batches of 1,300 cases: enough to share out,
// few enough that starting processes costs little.
const batchSize = 40

// keptLines is how much of a failed case's output is kept: its end.
const keptLines = 60

// The verdicts on a case. Hung and died: its process had to be killed, or
// ended by itself. Missing: the process ended well and told nothing of it, so
// a fixture of its class or module has failed.
const (
	passed  = "ok"
	failed  = "fail"
	skipped = "skip"
	hung    = "hung"
	died    = "died"
	missing = "missing"
)

// verdict is how a case ended, and the end of what it printed if it did not
// pass.
type verdict struct {
	Outcome string  `json:"outcome"`
	Output  string  `json:"output,omitempty"`
	Seconds float64 `json:"seconds"`
}

// place is a world to run cases in.
type place struct {
	name string
	// command makes a command that runs args as the ordinary user in folder.
	command func(ctx context.Context, folder string, args ...string) *exec.Cmd
}

// runAll runs the cases, as many batches at once as there are places, and
// tells the verdict on each.
func (s suite) runAll(places []place, cases []string, progress io.Writer) (map[string]verdict, error) {
	queue := make(chan []string)
	var mu sync.Mutex // guards verdicts and failure
	verdicts := map[string]verdict{}
	var failure error
	var workers sync.WaitGroup
	for _, p := range places {
		workers.Go(func() {
			for batch := range queue {
				got, err := s.runBatch(p, batch)
				mu.Lock()
				for name, v := range got {
					verdicts[name] = v
				}
				if err != nil {
					failure = err
				}
				fmt.Fprintf(progress, "%s, %s: %d of %d cases\n", s.name, p.name, len(verdicts), len(cases))
				mu.Unlock()
			}
		})
	}
	for _, batch := range s.batches(cases, batchSize) {
		queue <- batch
	}
	close(queue)
	workers.Wait()
	return verdicts, failure
}

// runBatch runs cases in one process, and goes on in a new one behind a case
// that ended it.
func (s suite) runBatch(p place, cases []string) (map[string]verdict, error) {
	folder, err := bed.PublicDir("netbox-conformance-", 0o777)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	verdicts := map[string]verdict{}
	for rest := cases; len(rest) > 0; {
		last, end, err := s.runProcess(p, folder, rest, verdicts)
		if err != nil {
			return nil, err
		}
		untold := slices.IndexFunc(rest, func(name string) bool { _, told := verdicts[name]; return !told })
		if last == "" && untold >= 0 && end.Outcome != passed {
			last = rest[untold] // between two cases: the next is to blame
		}
		if last == "" {
			break
		}
		verdicts[last] = end
		rest = rest[slices.Index(rest, last)+1:]
	}
	for _, name := range cases {
		if _, told := verdicts[name]; !told {
			verdicts[name] = verdict{Outcome: missing}
		}
	}
	return verdicts, nil
}

// runProcess runs cases in one process and adds the verdicts it tells. It
// returns the case that was running when the process ended, and how it ended:
// passed, hung or died.
func (s suite) runProcess(p place, folder string, cases []string, verdicts map[string]verdict) (last string, end verdict, err error) {
	list := filepath.Join(folder, "cases")
	err = os.WriteFile(list, []byte(strings.Join(cases, "\n")+"\n"), 0o644)
	if err != nil {
		return "", verdict{}, err
	}
	args, err := s.program(list)
	if err != nil {
		return "", verdict{}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := p.command(ctx, folder, args...)
	bed.Group(cmd)
	out, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	if err != nil {
		return "", verdict{}, err
	}
	go func() {
		// How it ended is told by what it printed.
		_ = cmd.Wait()
		w.Close()
	}()
	last, end = follow(out, cancel, verdicts)
	return last, end, nil
}

// follow reads a process's output to its end and adds the verdicts; it cancels
// the process when nothing begins or ends for caseLimit.
func follow(out io.Reader, cancel func(), verdicts map[string]verdict) (last string, end verdict) {
	end.Outcome = died
	limit := time.AfterFunc(caseLimit, cancel)
	defer limit.Stop()
	var kept []string
	begin := time.Now()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, name, ok := marker(lines.Text())
		if !ok {
			kept = append(kept, lines.Text())
			kept = kept[max(0, len(kept)-keptLines):]
			continue
		}
		limit.Reset(caseLimit)
		switch word {
		case "begin":
			last, kept, begin = name, nil, time.Now()
		case "done":
			end.Outcome = passed
		default:
			v := verdict{Outcome: word, Seconds: time.Since(begin).Seconds()}
			if word != passed {
				v.Output = strings.Join(kept, "\n")
			}
			verdicts[name], last = v, ""
		}
	}
	if !limit.Stop() {
		end.Outcome = hung
	}
	// A writer must not wait for a reader that gave up on a long line.
	_, _ = io.Copy(io.Discard, out)
	end.Output, end.Seconds = strings.Join(kept, "\n"), time.Since(begin).Seconds()
	return last, end
}

// marker reads a line of the running program's own: "@case WORD [NAME]". CPython's
// names have their package before them.
func marker(line string) (word, name string, ok bool) {
	rest, ok := strings.CutPrefix(line, "@case ")
	if !ok {
		return "", "", false
	}
	word, name, _ = strings.Cut(rest, " ")
	return word, strings.TrimPrefix(name, "test."), true
}
