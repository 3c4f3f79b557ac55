package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// longest is how many rows writeTimes names.
const longest = 12

// writeTimes says where the time of the run went: by column, and the rows that took
// the most.
func (r *results) writeTimes(out io.Writer) {
	fmt.Fprintf(out, "it took %s\n", r.Took)
	for _, s := range r.Sides {
		fmt.Fprintf(out, "%6.1f s  %s\n", s.took.Seconds(), s.Name)
	}
	rows := slices.SortedFunc(slices.Values(r.Rows), func(a, b rowResult) int { return cmp.Compare(b.took, a.took) })
	for _, row := range rows[:min(longest, len(rows))] {
		fmt.Fprintf(out, "%6.1f s  %s\n", row.took.Seconds(), strings.TrimSpace(row.Name+" "+row.Pin))
	}
}
