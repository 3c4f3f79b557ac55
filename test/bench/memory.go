package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// status is what is needed of a /proc/PID/status.
type status struct {
	name        string
	pid, parent int
	kilobytes   float64
}

func parseStatus(text string) status {
	var s status
	for line := range strings.Lines(text) {
		// All but one do not match a line.
		_, _ = fmt.Sscanf(line, "Name: %s", &s.name)
		_, _ = fmt.Sscanf(line, "Pid: %d", &s.pid)
		_, _ = fmt.Sscanf(line, "PPid: %d", &s.parent)
		_, _ = fmt.Sscanf(line, "VmRSS: %f", &s.kilobytes)
	}
	return s
}

// resident adds up the resident memory of pid and its descendants whose names
// begin with one of the supervisors'.
func resident(pid int, supervisors []string) (float64, error) {
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		return 0, err
	}
	processes := map[int]status{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil { // else it has ended
			s := parseStatus(string(text))
			processes[s.pid] = s
		}
	}
	sum := 0.0
	for _, s := range processes {
		if slices.ContainsFunc(supervisors, func(name string) bool { return strings.HasPrefix(s.name, name) }) &&
			below(processes, s.pid, pid) {
			sum += s.kilobytes * 1024
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("no process %v below %d", supervisors, pid)
	}
	return sum, nil
}

func below(processes map[int]status, at, pid int) bool {
	for at != 0 && at != pid {
		at = processes[at].parent
	}
	return at == pid
}
