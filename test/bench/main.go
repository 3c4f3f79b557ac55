// Bench measures what netbox costs: each quantity natively and under netbox,
// in turns on one machine, and the ratio of the medians. The program is the
// same static C client either way; the server is this process, reached at
// 127.0.0.1 natively and at 10.0.2.2 (--host-loopback) from the box.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"netbox/test/bed"
)

func main() {
	rounds := flag.Int("rounds", 7, "rounds of each measurement")
	netbox := flag.String("netbox", "", "netbox to measure (default: bin/netbox)")
	out := flag.String("o", "", "write the table to this file, too")
	flag.Parse()
	if *netbox == "" {
		*netbox = filepath.Join(bed.Root(), "bin", "netbox")
	}
	err := bench(*rounds, *netbox, *out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(rounds int, netbox, out string) error {
	dir, err := os.MkdirTemp("", "netbox-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	client, source := filepath.Join(dir, "client"), filepath.Join(bed.Root(), "test/bench/testdata/client.c")
	err = bed.CBuild("gcc", client, source)
	if err != nil {
		return err
	}
	port, err := serve()
	if err != nil {
		return err
	}
	sides := [2]side{
		{host: "127.0.0.1", port: port, client: client, source: source},
		{host: "10.0.2.2", port: port, client: client, source: source, prefix: []string{netbox, "run", "--host-loopback", "--"}},
	}
	where := machine() // its load before ours
	results, err := measureAll(rounds, sides, os.Stderr)
	if err != nil {
		return err
	}
	var w io.Writer = os.Stdout
	if out != "" {
		file, err := os.Create(out)
		if err != nil {
			return err
		}
		defer file.Close()
		w = io.MultiWriter(os.Stdout, file)
	}
	return report(w, where, rounds, results)
}
