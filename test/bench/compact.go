package main

import "regexp"

var (
	beforeFigure = regexp.MustCompile(`\n\s*(-?[0-9])`)
	afterFigure  = regexp.MustCompile(`([0-9])\n\s*\]`)
)

// compact puts the figures of a list on one line: a row is then a few lines of
// a diff, not a hundred.
func compact(text []byte) []byte {
	return afterFigure.ReplaceAll(beforeFigure.ReplaceAll(text, []byte("$1")), []byte("$1]"))
}
