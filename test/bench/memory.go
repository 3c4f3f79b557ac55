package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// resident adds up the resident memory of pid and its descendants whose names
// begin with one of the supervisors'.
func resident(pid int, supervisors []string) (float64, error) {
	parents, sizes := map[int]int{}, map[int]float64{}
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		var name string
		var of, parent int
		var kilobytes float64
		for line := range strings.Lines(string(text)) {
			scan := func(format string, into any) { _, _ = fmt.Sscanf(line, format, into) }
			scan("Name: %s", &name)
			scan("Pid: %d", &of)
			scan("PPid: %d", &parent)
			scan("VmRSS: %f", &kilobytes)
		}
		parents[of] = parent
		if slices.ContainsFunc(supervisors, func(s string) bool { return strings.HasPrefix(name, s) }) {
			sizes[of] = kilobytes * 1024
		}
	}
	sum := 0.0
	for p, size := range sizes {
		for at := p; at != 0; at = parents[at] {
			if at == pid {
				sum += size
				break
			}
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("no process %v below %d", supervisors, pid)
	}
	return sum, nil
}
