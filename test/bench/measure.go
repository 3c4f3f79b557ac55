package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// side is native or netbox.
type side struct {
	host   string
	port   int
	client string
	source string // of the client
	prefix []string
}

// measurement is one row of the table.
type measurement struct {
	name string
	// args are the client's; HOST and PORT are replaced.
	args []string
	// floor are what the client is given natively, if not args: the least that a
	// program under a filter can cost.
	floor []string
	// program is run instead, if there are no args, and the time of the whole
	// run taken. SOURCE is replaced by the client's.
	program []string
	// bytes, when not 0, makes the row a throughput.
	bytes int64
	// perSecond makes it a rate.
	perSecond bool
}

// bulkBytes takes about 0.1 s natively: long enough for TCP's windows to have
// opened, short enough for many rounds.
const bulkBytes = 256 << 20

var measurements = []measurement{
	{name: "start-up (true)", program: []string{"/bin/true"}},
	{name: "start-up and modules (python3)", program: []string{"python3", "-c", "import asyncio, ssl, urllib.request"}},
	{name: "compile (gcc -O2 -c)", program: []string{"gcc", "-O2", "-c", "SOURCE", "-o", "/dev/null"}},
	{name: "search by name (find)", program: []string{"find", "/usr/share", "-name", "none"}},
	{name: "search in many small files (grep -r)", program: []string{"grep", "-rc", "define", "/usr/include/linux"}},
	{name: "bulk TCP down", args: []string{"down", "HOST", "PORT", strconv.Itoa(bulkBytes)}, bytes: bulkBytes},
	{name: "bulk TCP up", args: []string{"up", "HOST", "PORT", strconv.Itoa(bulkBytes)}, bytes: bulkBytes},
	{name: "TCP round trip, 1 byte, p50", args: []string{"rtt", "HOST", "PORT", "5000"}},
	{name: "connect, echo, close", args: []string{"connect", "HOST", "PORT", "1000"}, perSecond: true},
	{name: "UDP round trip, 1 byte, p50", args: []string{"udp", "HOST", "PORT", "5000"}},
	{name: "stat loop, one call", args: []string{"stat", "500000"}},
	{name: "stat loop, one call, CPU time", args: []string{"stat-cpu", "500000"}},
	{name: "the same, natively under a filter that allows all", args: []string{"stat-cpu", "500000"}, floor: []string{"stat-floor", "500000"}},
	{name: "open loop, open and close", args: []string{"open", "50000"}},
	{name: "fork loop, one fork", args: []string{"fork", "2000"}},
}

// result is a measurement's nanoseconds on both sides, round by round.
type result struct {
	measurement
	took [2][]float64
}

func (r result) medians() (native, box float64) {
	return median(r.took[0]), median(r.took[1])
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// measureAll takes every measurement rounds times, native and netbox in turns,
// so that a change of the machine's mood meets both.
func measureAll(rounds int, sides [2]side, progress io.Writer) ([]result, error) {
	results := make([]result, len(measurements))
	for i, m := range measurements {
		results[i].measurement = m
	}
	for round := range rounds {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, rounds)
		for i := range results {
			for j, s := range sides {
				m := results[i].measurement
				if j == 0 && m.floor != nil {
					m.args = m.floor
				}
				took, err := s.measure(m)
				if err != nil {
					return nil, err
				}
				results[i].took[j] = append(results[i].took[j], took)
			}
		}
	}
	return results, nil
}

// measure returns nanoseconds.
func (s side) measure(m measurement) (float64, error) {
	args := append([]string{}, s.prefix...)
	if m.args != nil {
		args = append(args, s.client)
	}
	for _, a := range slices.Concat(m.args, m.program) {
		switch a {
		case "SOURCE":
			a = s.source
		case "HOST":
			a = s.host
		case "PORT":
			a = strconv.Itoa(s.port)
		}
		args = append(args, a)
	}
	var errors bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = &errors
	start := time.Now()
	out, err := cmd.Output()
	took := time.Since(start)
	if err != nil {
		return 0, fmt.Errorf("%v: %w: %s", args, err, errors.String())
	}
	if m.args == nil {
		return float64(took.Nanoseconds()), nil
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}
