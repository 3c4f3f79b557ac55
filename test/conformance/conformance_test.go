package conformance

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"netbox/test/bed"
	"netbox/test/world"
)

var (
	allFlag   = flag.Bool("all", false, "run the whole suites and write docs/conformance.md")
	casesFlag = flag.String("cases", "", "run the cases that match this regular expression")
	// Most of a case's time is waiting, so more run at once than there are
	// processors.
	jobsFlag = flag.Int("jobs", 4, "batches run at once")
)

// engines are those that netbox has.
var engines = []string{"ptrace", "notify"}

// leastShare is what issue 3 asks for.
const leastShare = 0.99

func TestMain(m *testing.M) { world.Main(m, bed.Remove) }

func TestSuites(t *testing.T) {
	folder, err := bed.PublicDir("netbox-conformance-runners-", 0o755)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	known, err := readDifferences()
	if err != nil {
		t.Fatal(err)
	}
	s, err := cpython(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.program(""); err != nil {
		world.Skip(t, "%v", err)
	}
	results := measure(t, s, known)
	checkKnown(t, known)
	if *allFlag {
		writeReport(t, results)
	}
}

// measure runs a suite natively and with each engine, and fails the test for
// each case that differs without a reason.
func measure(t *testing.T, s suite, known []*difference) []result {
	cases := chosen(t, s)
	var results []result
	natively := nativeVerdicts(t, s, cases)
	for _, engine := range engines {
		inBox := func(t *testing.T) place { return boxed(t, engine) }
		verdicts := run(t, s, cases, inBox)
		r := compare(s, engine, cases, natively, verdicts, known)
		if again := r.unexplained(); len(again) > 0 && !*allFlag {
			// Many cases have time limits of their own, and the machine may be
			// busy with other packages' tests: such a case has a second chance.
			maps.Copy(verdicts, run(t, s, again, inBox))
			r = compare(s, engine, cases, natively, verdicts, known)
		}
		err := writeRecord(recordPath(s, engine), record{s.key(cases), verdicts})
		if err != nil {
			t.Error(err)
		}
		t.Logf("%s, %s: %d of %d natively passing cases pass, %.2f %%", s.name, engine, r.boxed, r.native, 100*r.share())
		for _, d := range r.differing {
			if d.why == nil {
				t.Errorf("%s: %s: %s\n%s", engine, d.name, d.verdict.Outcome, d.verdict.Output)
			}
		}
		if *allFlag && r.share() < leastShare {
			t.Errorf("%s: less than %.0f %% pass", engine, 100*leastShare)
		}
		results = append(results, r)
	}
	return results
}

// chosen are the cases that the flags ask for.
func chosen(t *testing.T, s suite) []string {
	want := s.fast
	if *casesFlag != "" {
		want = regexp.MustCompile(*casesFlag)
	}
	var cases []string
	for _, name := range s.cases {
		if *allFlag || want.MatchString(name) {
			cases = append(cases, name)
		}
	}
	if len(cases) == 0 {
		t.Fatal("no case is chosen")
	}
	return cases
}

// nativeVerdicts runs the cases natively, or takes the verdicts of the last
// time that the same were run.
func nativeVerdicts(t *testing.T, s suite, cases []string) map[string]verdict {
	path, key := recordPath(s, "native"), s.key(cases)
	if *allFlag {
		if kept, ok := readRecord(path, key); ok {
			return kept
		}
	}
	verdicts := run(t, s, cases, native)
	if *allFlag {
		err := writeRecord(path, record{key, verdicts})
		if err != nil {
			t.Error(err)
		}
	}
	return verdicts
}

func run(t *testing.T, s suite, cases []string, newPlace func(*testing.T) place) map[string]verdict {
	var places []place
	for range *jobsFlag {
		places = append(places, newPlace(t))
	}
	verdicts, err := s.runAll(places, cases, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return verdicts
}

// checkKnown fails for an entry that no case of a whole run needed.
func checkKnown(t *testing.T, known []*difference) {
	for _, d := range known {
		if *allFlag && !d.used && !d.Varies {
			t.Errorf("differences.yaml explains what does not differ: %s", d.Cases)
		}
	}
}

func writeReport(t *testing.T, results []result) {
	var page bytes.Buffer
	report(&page, machine(), results)
	err := os.WriteFile(filepath.Join(bed.Root(), "docs/conformance.md"), page.Bytes(), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(os.Stderr, page.String())
}

// machine says what the figures are of.
func machine() string {
	kernel, _ := exec.Command("uname", "-sr").Output()
	day, _ := exec.Command("date", "-u", "+%F").Output()
	commit, _ := exec.Command("git", "-C", bed.Root(), "describe", "--always", "--dirty").Output()
	return fmt.Sprintf("Measured on %s, netbox %s, %s.", strings.TrimSpace(string(day)), strings.TrimSpace(string(commit)), strings.TrimSpace(string(kernel)))
}
