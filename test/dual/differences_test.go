package dual

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// difference allows lines of one case to differ from the native run.
type difference struct {
	Case   string `yaml:"case"`   // program/case
	Native string `yaml:"native"` // regular expression of the whole native line
	Netbox string `yaml:"netbox"` // and of netbox's
	Reason string `yaml:"reason"`
	// Varies: some machines do not differ here.
	Varies bool `yaml:"varies"`

	native, netbox *regexp.Regexp
	used           bool
}

type differences []*difference

func readDifferences(t *testing.T) differences {
	t.Helper()
	content, err := os.ReadFile("testdata/differences.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list differences
	if err := yaml.UnmarshalWithOptions(content, &list, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Reason == "" {
			t.Errorf("differences.yaml: %s, %s: no reason", d.Case, d.Native)
		}
		d.native = regexp.MustCompile("^(?:" + d.Native + ")$")
		d.netbox = regexp.MustCompile("^(?:" + d.Netbox + ")$")
	}
	return list
}

func (list differences) allow(name, native, netbox string) bool {
	for _, d := range list {
		if d.Case == name && d.native.MatchString(native) && d.netbox.MatchString(netbox) {
			d.used = true
			return true
		}
	}
	return false
}

// unused are the entries that no line needed.
func (list differences) unused() []string {
	var stale []string
	for _, d := range list {
		if !d.used && !d.Varies {
			stale = append(stale, d.Case+": "+d.Native)
		}
	}
	return stale
}

// shown bounds how many differing lines a failure tells.
const shown = 400

// compared judges the lines of a run under netbox by the same user's native
// ones.
func (s *suite) compared(c column, r row, o outcome) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	native := s.outcomes[r.name()]["native/"+c.user.Name]
	if native.verdict != passed {
		return outcome{verdict: skipped, why: "no native run to compare with", took: o.took}
	}
	want, got := strings.Split(native.lines, "\n"), strings.Split(o.lines, "\n")
	if len(want) != len(got) {
		o.verdict, o.why = failed, fmt.Sprintf("%d lines, natively %d", len(got), len(want))
	}
	var differing []string
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] && !s.allow.allow(r.program+"/"+r.Name, want[i], got[i]) {
			differing = append(differing, fmt.Sprintf("native %s | netbox%s", want[i], tail(want[i], got[i])))
		}
	}
	if len(differing) > 0 {
		o.verdict = failed
		o.why = fmt.Sprintf("%s%d of %d lines differ:\n%s", o.why, len(differing), len(want),
			strings.Join(differing[:min(len(differing), shown)], "\n"))
	}
	return o
}

// tail is the part of got after the arrow when the call is the same.
func tail(want, got string) string {
	call, _, _ := strings.Cut(want, " → ")
	if rest, same := strings.CutPrefix(got, call); same && rest != "" {
		return rest
	}
	return " " + got
}
