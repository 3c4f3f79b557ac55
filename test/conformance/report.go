package conformance

import (
	"fmt"
	"io"
)

// result compares a suite under one engine with the native run.
type result struct {
	suite, engine string
	native, boxed int // cases that pass
	differing     []differing
}

// differing is a case that passes natively only.
type differing struct {
	name    string
	verdict verdict
	why     *difference // nil: unexplained
}

// compare counts what passes natively, and of that what passes in the box.
func compare(s suite, engine string, cases []string, native, boxed map[string]verdict, known []*difference) result {
	r := result{suite: s.name, engine: engine}
	for _, name := range cases {
		if native[name].Outcome != passed {
			continue
		}
		r.native++
		if boxed[name].Outcome == passed {
			r.boxed++
			continue
		}
		r.differing = append(r.differing, differing{name, boxed[name], explain(known, name)})
	}
	return r
}

// unexplained are the cases that differ without a reason.
func (r result) unexplained() []string {
	var names []string
	for _, d := range r.differing {
		if d.why == nil {
			names = append(names, d.name)
		}
	}
	return names
}

// share is the part of the natively passing cases that passes in the box.
func (r result) share() float64 {
	if r.native == 0 {
		return 0
	}
	return float64(r.boxed) / float64(r.native)
}

// report writes the results as Markdown.
func report(w io.Writer, machine string, results []result) {
	fmt.Fprintf(w, `# Conformance

How much of test suites that nobody here wrote passes under netbox, of what passes natively on the same machine: `+"`make conformance`"+`
(test/conformance) runs each case on both sides as an ordinary user, and writes this page.
%s

| suite | engine | passes natively | of those under netbox | share |
|---|---|---|---|---|
`, machine)
	for _, r := range results {
		fmt.Fprintf(w, "| %s | %s | %d | %d | %.2f %% |\n", r.suite, r.engine, r.native, r.boxed, 100*r.share())
	}
	fmt.Fprint(w, "\n## Cases that differ\n\n")
	none := true
	for _, r := range results {
		for _, d := range r.differing {
			if none {
				fmt.Fprint(w, "| case | engine | ends | why ([limits.md](limits.md)) |\n|---|---|---|---|\n")
				none = false
			}
			why := "not explained yet"
			if d.why != nil {
				why = d.why.Limit + ": " + d.why.Reason
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s |\n", d.name, r.engine, d.verdict.Outcome, why)
		}
	}
	if none {
		fmt.Fprintln(w, "None.")
	}
}
