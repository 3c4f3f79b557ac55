package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// run is a run of go test, or of several, one after the other.
type run struct {
	out      io.Writer
	all      bool // tell everything
	packages map[string]*tested
	skipped  []skip
}

// tested is a package under test. What no test says is said by "".
type tested struct {
	order []string // the tests, as they began
	said  map[string]*strings.Builder
}

type skip struct{ pkg, test, reason string }

func newRun(out io.Writer, all bool) *run {
	return &run{out: out, all: all, packages: map[string]*tested{}}
}

func (r *run) take(e event) {
	if r.all || e.Action == "build-output" {
		io.WriteString(r.out, e.Output)
	}
	if e.Package == "" {
		return
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &tested{said: map[string]*strings.Builder{}}
		r.packages[e.Package] = p
	}
	switch {
	case e.Action == "output":
		p.add(e.Test, e.Output)
	case e.Test == "" && slices.Contains([]string{"pass", "skip", "fail"}, e.Action):
		delete(r.packages, e.Package)
		r.close(p, e.Action == "fail")
	case e.Action == "skip":
		p.add(e.Test, "")
		r.skipped = append(r.skipped, skip{e.Package, e.Test, reason(p.said[e.Test].String())})
		delete(p.said, e.Test)
	case e.Action == "pass":
		delete(p.said, e.Test)
	}
}

func (p *tested) add(test, output string) {
	said := p.said[test]
	if said == nil {
		said = &strings.Builder{}
		p.said[test] = said
		p.order = append(p.order, test)
	}
	said.WriteString(output)
}

// close tells of a package that has ended. Tests of which there is still
// something said have failed, or were under way when their process died.
func (r *run) close(p *tested, failed bool) {
	if r.all {
		return
	}
	if failed {
		for _, test := range p.order {
			if said := p.said[test]; said != nil && test != "" {
				io.WriteString(r.out, frame.ReplaceAllString(said.String(), ""))
			}
		}
	}
	p.add("", "")
	for line := range strings.Lines(p.said[""].String()) {
		if failed || verdict.MatchString(line) {
			io.WriteString(r.out, line)
		}
	}
}

var (
	// frame is a line by which a test's words are told from another's.
	frame = regexp.MustCompile(`(?m)^=== .*\n`)
	// verdict is the line about a package that does not fail.
	verdict = regexp.MustCompile(`^(ok  |\?   )\t`)
	// outcome is a test's last line, and place what precedes what it says.
	outcome = regexp.MustCompile(`(?m)^ *--- SKIP: .*\n`)
	place   = regexp.MustCompile(`(?m)^ *\S+\.go:\d+: `)
)

// reason is the last that a skipped test has said.
func reason(said string) string {
	said = outcome.ReplaceAllString(frame.ReplaceAllString(said, ""), "")
	if places := place.FindAllStringIndex(said, -1); places != nil {
		said = said[places[len(places)-1][1]:]
	}
	return cmp.Or(strings.Join(strings.Fields(said), " "), "no reason given")
}

// end lists the skipped tests, each once: the runs may have them in common.
func (r *run) end() {
	if len(r.skipped) == 0 {
		return
	}
	slices.SortFunc(r.skipped, func(a, b skip) int {
		return cmp.Or(strings.Compare(a.pkg, b.pkg), strings.Compare(a.test, b.test), strings.Compare(a.reason, b.reason))
	})
	r.skipped = slices.Compact(r.skipped)
	fmt.Fprintf(r.out, "== skipped: %d\n", len(r.skipped))
	for _, s := range r.skipped {
		fmt.Fprintf(r.out, "--- SKIP: %s %s: %s\n", s.pkg, s.test, s.reason)
	}
}
