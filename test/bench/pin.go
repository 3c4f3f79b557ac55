package main

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// pin says on which processors a measurement's two ends run: the program
// with what carries its network, and the server. Round trips depend on that more
// than on all else: waking a process on another core costs 60 to 100 µs.
type pin struct {
	name           string
	client, server string // lists for taskset, or "" for any
}

// pins are what this machine has the processors for; the first is none.
func pins() ([]pin, error) {
	var set unix.CPUSet
	err := unix.SchedGetaffinity(0, &set)
	if err != nil {
		return nil, err
	}
	var cpus []string
	for cpu := 0; len(cpus) < min(2, set.Count()); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, strconv.Itoa(cpu))
		}
	}
	list := []pin{{}, {"one core", cpus[0], cpus[0]}}
	if len(cpus) > 1 {
		list = append(list, pin{"two cores", cpus[0], cpus[1]})
	}
	return list, nil
}

// taskset is what comes before a command that is pinned.
func taskset(cpus string) []string {
	if cpus == "" {
		return nil
	}
	return []string{"taskset", "-c", cpus}
}
