// Bench measures what netbox costs: each quantity natively, under netbox and
// under its peers, in turns on one machine, and the shares of the medians. The
// programs are the same everywhere; the servers run on the host, reached at
// 127.0.0.1 natively and at an address of each peer's for the host's loopback.
//
// It runs in a network namespace that has nothing but lo (scripts/contained), so
// that nothing of it leaves the machine, and writes a page (Markdown), the
// figures (JSON) and a chart (SVG), of which the page and the chart are made from
// the figures alone.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"netbox/test/bed"
)

type options struct {
	rounds int
	// spell is how long a measurement lasts; start-up comes on top.
	spell             time.Duration
	netbox, out, from string
	// rows measures only those whose names have this, for work on one of them.
	rows string
	// quick takes short rounds, few, and pins no peers.
	quick bool
}

func main() {
	if len(os.Args) > 1 && verbs[os.Args[1]] != nil {
		exit(verbs[os.Args[1]](os.Args[2:]))
	}
	o := options{}
	flag.IntVar(&o.rounds, "rounds", 7, "rounds of each measurement")
	flag.DurationVar(&o.spell, "spell", 160*time.Millisecond, "how long one measurement lasts")
	flag.StringVar(&o.netbox, "netbox", filepath.Join(bed.Root(), "bin", "netbox"), "netbox to measure")
	flag.StringVar(&o.out, "o", filepath.Join(bed.Root(), "build", "bench-quick"), "write `PATH`.md, .json and .svg")
	flag.StringVar(&o.from, "from", "", "measure nothing: make the page and the chart of this JSON `FILE`")
	flag.StringVar(&o.rows, "rows", "", "measure only the rows whose names have this")
	flag.BoolVar(&o.quick, "quick", false, "3 rounds of 60 ms, peers not pinned")
	flag.Parse()
	if o.quick {
		o.rounds, o.spell = 3, 60*time.Millisecond
	}
	exit(run(o))
}

// verbs are what the bench starts of itself.
var verbs = map[string]func(args []string) error{
	"serve":   serve,
	"connect": connectForever,
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(o options) error {
	if o.from != "" {
		r, err := readResults(o.from)
		if err != nil {
			return err
		}
		return r.write(strings.TrimSuffix(o.from, ".json"))
	}
	// What is started ends with this thread, should the bench be killed.
	runtime.LockOSThread()
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	r, err := b.measureAll(os.Stderr)
	if err != nil {
		return err
	}
	err = r.write(o.out)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(o.out + ".md")
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(page)
	return err
}
