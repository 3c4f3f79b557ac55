package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// told runs go test on a package of testdata and tells it.
func told(t *testing.T, all bool, args ...string) string {
	t.Helper()
	// The exit status is that of the tests, which may fail.
	events, _ := exec.Command("go", append([]string{"test", "-json"}, args...)...).Output()
	var out strings.Builder
	err := tell(bytes.NewReader(events), &out, all)
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const listed = `== skipped: 3
--- SKIP: netbox/test/told/testdata/sample TestRows/is_skipped: the row's reason
--- SKIP: netbox/test/told/testdata/sample TestRows/silent: no reason given
--- SKIP: netbox/test/told/testdata/sample TestSkipped: no right here: EPERM
`

func TestTold(t *testing.T) {
	for _, row := range []struct {
		name string
		args []string
		want string // a regular expression of all that is told
	}{
		{"failed", []string{"-count=1", "./testdata/sample"}, `--- FAIL: TestFails \(.*\)
    sample_test.go:\d+: what went wrong
--- FAIL: TestFails/row \(.*\)
FAIL
FAIL	netbox/test/told/testdata/sample	.*
` + listed},
		{"passed", []string{"-count=1", "-run=Passes|Skipped|Rows", "./testdata/sample"}, `ok  	netbox/test/told/testdata/sample	.*
` + listed},
		{"cached", []string{"-run=Passes|Skipped|Rows", "./testdata/sample"}, `ok  	netbox/test/told/testdata/sample	\(cached\)
` + listed},
		{"died", []string{"./testdata/dies"}, `    dies_test.go:\d+: last words
--- FAIL: TestDies \(.*\)
panic: the cause [^$]*
FAIL	netbox/test/told/testdata/dies	.*
`},
		{"not built", []string{"./testdata/unbuilt"}, `# netbox/test/told/testdata/unbuilt .*
.*unbuilt_test.go:\d+:\d+: undefined: undeclared
FAIL	netbox/test/told/testdata/unbuilt \[build failed\]
`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.name == "cached" {
				told(t, false, row.args...)
			}
			got := told(t, false, row.args...)
			if !regexp.MustCompile(`^` + row.want + `$`).MatchString(got) {
				t.Errorf("told:\n%s", got)
			}
		})
	}
}

// Two runs have their skipped tests in common, and each is listed once.
func TestOnce(t *testing.T) {
	events, err := exec.Command("go", "test", "-json", "-run=Skipped|Rows", "./testdata/sample").Output()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = tell(bytes.NewReader(append(events, events...)), &out, false)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "\n"+listed) || strings.Count(out.String(), "ok  \t") != 2 {
		t.Error(out.String())
	}
}

// With -v nothing is kept back, nor is what is no event.
func TestAll(t *testing.T) {
	got := told(t, true, "./testdata/sample")
	for _, want := range []string{"passes and says so\n", "\noutput\n", "--- PASS: TestRows/passes"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	var out strings.Builder
	err := tell(strings.NewReader("a line of words"), &out, false)
	if err != nil || out.String() != "a line of words" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
