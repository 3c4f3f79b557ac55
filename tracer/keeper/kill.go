package keeper

import (
	"os"
	"strconv"
	"time"

	"netbox/tracer/proc"

	"golang.org/x/sys/unix"
)

// First and longest pause between two rounds of killing: a box that forks all the
// time is overtaken in a few, and one that sits in a driver is not looked at for
// ever without a rest.
const (
	firstPause = time.Millisecond
	lastPause  = 50 * time.Millisecond
)

// killUntil kills the descendants of process root, over and over, until over says
// that it is enough, or no descendant lives.
func killUntil(root int, over func() bool) {
	for pause := firstPause; !over() && killRound(root) > 0; pause = min(2*pause, lastPause) {
		time.Sleep(pause)
	}
}

// killRound kills what lives of root's descendants, and returns how many.
func killRound(root int) int {
	parents := parents()
	n := 0
	for pid := range parents {
		if pid != root && below(parents, pid, root) && kill(pid, parents[pid]) {
			n++
		}
	}
	return n
}

// parents are all processes' parents but those of zombies.
func parents() map[int]int {
	m := map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if s, ok := proc.ReadStat(pid); ok && s.State != 'Z' && s.State != 'X' {
			m[pid] = s.Parent
		}
	}
	return m
}

func below(parents map[int]int, pid, root int) bool {
	for range len(parents) + 1 { // what was read is of different moments: it may have circles
		if pid == root {
			return true
		}
		var ok bool
		if pid, ok = parents[pid]; !ok {
			return false
		}
	}
	return false
}

// kill kills pid if its parent is still the one that was read: the number may have
// become another process's.
func kill(pid, parent int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if s, ok := proc.ReadStat(pid); !ok || s.Parent != parent {
		return ok // has a new parent: the next round's
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}
