// Command told reads what `go test -json` writes and tells it as go test does
// without -v: a line for a package that passes, and for one that fails what
// its failed tests have said. A package's words come when it ends. At the very
// end it lists the tests that were skipped, with their reasons, which go test
// keeps to itself; those of a cached result, too.
//
// It tells and does not judge: the exit status is go test's own.
//
//	go test -json ./... | told
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	all := flag.Bool("v", false, "tell all that the tests say, as it comes")
	flag.Parse()
	// A terminal's Ctrl-C ends go test; there is still to tell what it said.
	signal.Ignore(os.Interrupt)
	err := tell(os.Stdin, os.Stdout, *all)
	if err != nil {
		fmt.Fprintln(os.Stderr, "told:", err)
		os.Exit(1)
	}
}

// tell tells the events of in to out until in ends.
func tell(in io.Reader, out io.Writer, all bool) error {
	run := newRun(out, all)
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			run.line(line)
		}
		if err == io.EOF {
			run.end()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// event is a line of go test's output (go doc test2json, go help buildjson).
type event struct {
	Action, Package, Test, Output string
}

// line takes a line of go test's. One that is no event is not for us to keep
// back.
func (r *run) line(line []byte) {
	var e event
	err := json.Unmarshal(line, &e)
	if err != nil {
		r.out.Write(line)
		return
	}
	r.take(e)
}
