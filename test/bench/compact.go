package main

import "regexp"

var betweenFigures = regexp.MustCompile(`\n\s*(-?[0-9.e+]+,?|\])`)

// compact puts the figures of a list on one line: a row is then a few lines of
// a diff, not a hundred.
func compact(text []byte) []byte {
	return betweenFigures.ReplaceAll(text, []byte("$1"))
}
