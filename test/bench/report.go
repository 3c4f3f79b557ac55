package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// report writes the results as a Markdown page.
func report(w io.Writer, machine string, rounds int, results []result) error {
	var page bytes.Buffer
	fmt.Fprintf(&page, `# What netbox costs

Measured with `+"`make bench`"+` on %s: %s. Medians of %d rounds, native and netbox in turns; the ratio is netbox to native.
One static C client either way; the server runs on the host, at 127.0.0.1 natively and at 10.0.2.2 (`+"`--host-loopback`"+`) from the box, uplink nat, engine auto.

| what | native | netbox | ratio |
|---|---:|---:|---:|
`, time.Now().Format(time.DateOnly), machine, rounds)
	for _, r := range results {
		native, box := r.medians()
		ratio := box / native
		if r.bytes != 0 || r.perSecond {
			ratio = native / box
		}
		fmt.Fprintf(&page, "| %s | %s | %s | %.2f |\n", r.name, r.value(native), r.value(box), ratio)
	}
	page.WriteString(`
For throughput and rates a ratio below 1 is a loss; for times, a ratio above 1.
A call that netbox does not trap costs what any seccomp filter makes it cost: the kernel looks at its map of allowed calls. The row "natively under a filter that allows all" has that on both sides.
`)
	_, err := w.Write(page.Bytes())
	return err
}

// value puts nanoseconds into the row's unit.
func (m measurement) value(ns float64) string {
	switch {
	case m.bytes != 0:
		return fmt.Sprintf("%.2f GB/s", float64(m.bytes)/ns)
	case m.perSecond:
		return fmt.Sprintf("%.0f/s", 1e9/ns)
	case ns >= 1e6:
		return fmt.Sprintf("%.1f ms", ns/1e6)
	case ns >= 1e4:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	}
	return fmt.Sprintf("%.0f ns", ns)
}

// machine is the processor, its number of cores, kernel and Go.
func machine() string {
	var u unix.Utsname
	release := "?"
	if unix.Uname(&u) == nil {
		release = unix.ByteSliceToString(u.Release[:])
	}
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, %s", processor(), runtime.NumCPU(), release, runtime.Version(), load())
}

// load is what else the machine was doing: on a busy one the ratios of short
// operations mean little.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load unknown"
	}
	return "load " + string(bytes.Fields(text)[0])
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range bytes.Lines(text) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return runtime.GOARCH
}
