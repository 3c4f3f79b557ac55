package dual

import (
	"fmt"
	"strings"
)

// shown bounds how many differing lines a failure tells.
const shown = 400

// compared judges the lines of a run under netbox by the same user's native
// ones; by root's for what an ordinary user may do under netbox only.
func (s *suite) compared(c column, r row, o outcome) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	native := s.outcomes[r.name()]["native/"+c.user.Name]
	if native.verdict == skipped {
		native = s.outcomes[r.name()]["native/root"]
	}
	if native.verdict != passed {
		return outcome{verdict: skipped, why: "no native run to compare with", took: o.took}
	}
	want, got := strings.Split(native.lines, "\n"), strings.Split(o.lines, "\n")
	if len(want) != len(got) {
		o.verdict, o.why = failed, fmt.Sprintf("%d lines, natively %d", len(got), len(want))
	}
	var differing []string
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] && !s.allow.Allow(r.program+"/"+r.Name, want[i], got[i]) {
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
