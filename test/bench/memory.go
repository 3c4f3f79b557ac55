package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// holding is what who carries the network holds, for so many sockets: bytes and
// descriptors.
type holding struct{ sockets, resident, peak, descriptors float64 }

// print writes a line for each figure, and each socket's share of what there is more
// than at first.
func (h holding) print(out *bytes.Buffer, when string, first holding) {
	fmt.Fprintf(out, "%s resident: %.0f\n%s peak: %.0f\n", when, h.resident, when, h.peak)
	if more := h.sockets - first.sockets; first.sockets > 0 && more > 0 {
		fmt.Fprintf(out, "%s resident each: %.0f\n", when, (h.resident-first.resident)/more)
		fmt.Fprintf(out, "%s descriptors each: %.3f\n", when, (h.descriptors-first.descriptors)/more)
	}
}

// status is what is needed of a /proc/PID/status.
type status struct {
	name                string
	pid, parent         int
	kilobytes, mostEver float64
}

func parseStatus(text string) status {
	var s status
	for line := range strings.Lines(text) {
		// All but one do not match a line.
		_, _ = fmt.Sscanf(line, "Name: %s", &s.name)
		_, _ = fmt.Sscanf(line, "Pid: %d", &s.pid)
		_, _ = fmt.Sscanf(line, "PPid: %d", &s.parent)
		_, _ = fmt.Sscanf(line, "VmRSS: %f", &s.kilobytes)
		_, _ = fmt.Sscanf(line, "VmHWM: %f", &s.mostEver)
	}
	return s
}

// held adds up what pid and its descendants hold whose names begin with one of the
// supervisors'.
func held(pid int, supervisors []string) (holding, error) {
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		return holding{}, err
	}
	processes := map[int]status{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil { // else it has ended
			s := parseStatus(string(text))
			processes[s.pid] = s
		}
	}
	var sum holding
	for _, s := range processes {
		if slices.ContainsFunc(supervisors, func(name string) bool { return strings.HasPrefix(s.name, name) }) &&
			below(processes, s.pid, pid) {
			sum.resident += s.kilobytes * 1024
			sum.peak += s.mostEver * 1024
			// Only root may look, and only rows of netbox's ask.
			descriptors, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
			sum.descriptors += float64(len(descriptors))
		}
	}
	if sum.resident == 0 {
		return holding{}, fmt.Errorf("no process %v below %d", supervisors, pid)
	}
	return sum, nil
}

func below(processes map[int]status, at, pid int) bool {
	for at != 0 && at != pid {
		at = processes[at].parent
	}
	return at == pid
}
