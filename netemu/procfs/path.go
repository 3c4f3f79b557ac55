package procfs

import (
	"bytes"
	"strconv"
	"strings"
)

// Answer is what the text of a path tells.
type Answer uint8

const (
	// Elsewhere: the path leads to a file of the kernel's.
	Elsewhere Answer = iota
	// Unsure: links on the way may lead to a file of the tree. Where they do is
	// seen when the kernel has opened it.
	Unsure
	// Inside: the path is that of a file or directory of the tree, or would be
	// if there were such a one.
	Inside
)

// Judge says where path leads for thread tid of process pid. A relative one
// starts at base, an absolute path without links (as the kernel writes them in
// /proc/PID/fd); base is not looked at for an absolute path. Name is the
// path in the tree for an answer of Inside, without links: /proc/net is that of
// every process, and interfaces lie in /sys/devices/virtual/net.
//
// No file is looked at: a walk along a path could wait for a file system whose
// server is a program of the sandbox.
func Judge(base, path []byte, pid, tid int) (answer Answer, name string) {
	if len(path) > 0 && path[0] == '/' {
		base = nil
	}
	if !mentions(path) && !mentions(base) {
		return Elsewhere, ""
	}
	w := walk{pid: strconv.Itoa(pid), tid: strconv.Itoa(tid)}
	for _, text := range []string{string(base), string(path)} {
		for name := range strings.SplitSeq(text, "/") {
			w.step(name)
		}
	}
	return w.end()
}

// mentions is the quick test that nearly all paths fail.
func mentions(path []byte) bool {
	return bytes.Contains(path, []byte("proc")) || bytes.Contains(path, []byte("sys")) || bytes.Contains(path, []byte("dev"))
}

// walk follows the names of a path as the kernel would, as far as it knows the
// directories.
type walk struct {
	pid, tid string
	at       []string
	// lost: at may be wrong, since a name may have been a link. Of what comes
	// behind it, seen says how far it looks like a way into the tree.
	lost bool
	seen uint8
}

// Parts of a way into the tree, in order.
const (
	seenNothing uint8 = iota
	seenMount         // proc or sys
	seenTree          // net, or a link of /proc/PID
)

func (w *walk) step(name string) {
	w.look(name)
	switch name {
	case "", ".":
	case "..":
		if len(w.at) > 0 {
			// Some directories are left the way they were entered.
			w.lost = w.lost || !w.plain()
			w.at = w.at[:len(w.at)-1]
		}
	default:
		w.at = append(w.at, name)
		w.follow()
	}
}

// known says whether at lies in /proc or /sys.
func (w *walk) known() bool { return len(w.at) > 0 && (w.at[0] == "proc" || w.at[0] == "sys") }

// plain says whether at is known to be no link: all links of /proc are followed.
// In /sys those directories count that the tree has.
func (w *walk) plain() bool {
	switch {
	case !w.known():
		return false
	case w.at[0] == "proc" || len(w.at) <= 2 || w.is("sys", "class", "net"):
		return true
	}
	return len(w.at) <= 5 && w.at[1] == "devices" && w.at[2] == "virtual" && (len(w.at) == 3 || w.at[3] == "net")
}

func (w *walk) look(name string) {
	switch name {
	case "proc", "sys":
		w.seen = max(w.seen, seenMount)
	case "net", "root", "cwd", "fd", "attached_dev":
		if w.seen == seenMount {
			w.seen = seenTree
		}
	}
}

// follow goes along the links of /proc and /sys.
func (w *walk) follow() {
	n := len(w.at)
	switch {
	case w.is("proc", "net"):
		w.at = []string{"proc", w.pid, "net"}
	case w.is("proc", "self"):
		w.at = []string{"proc", w.pid}
	case w.is("dev", "fd"), w.is("dev", "stdin"), w.is("dev", "stdout"), w.is("dev", "stderr"):
		w.lost, w.seen = true, seenTree // links to /proc/self/fd
	case n > 2 && w.at[0] == "sys" && w.at[n-1] == "attached_dev":
		w.lost, w.seen = true, seenTree // from a bus of PHYs to an interface
	case w.is("proc", "thread-self"):
		w.at = []string{"proc", w.pid, "task", w.tid}
	case n == 4 && w.at[0] == "sys" && w.at[1] == "class" && w.at[2] == "net":
		w.at = []string{"sys", "devices", "virtual", "net", w.at[3]}
	case n > 2 && w.at[0] == "proc" && isNumber(w.at[1]):
		w.followProcess(w.at[2:])
	}
}

// followProcess goes on in a directory of a process: behind root, cwd and fd
// anything can lie.
func (w *walk) followProcess(rest []string) {
	if len(rest) > 2 && rest[0] == "task" {
		rest = rest[2:]
	}
	switch {
	case len(rest) == 1 && (rest[0] == "root" || rest[0] == "cwd"),
		len(rest) == 2 && rest[0] == "fd":
		w.lost, w.seen = true, seenTree
	}
}

func (w *walk) is(names ...string) bool {
	if len(w.at) != len(names) {
		return false
	}
	for i := range names {
		if w.at[i] != names[i] {
			return false
		}
	}
	return true
}

func (w *walk) end() (Answer, string) {
	if w.lost || !w.known() {
		if w.seen == seenTree {
			return Unsure, ""
		}
		return Elsewhere, ""
	}
	name, inside := w.name()
	if !inside {
		return Elsewhere, ""
	}
	return Inside, name
}

// name is where at lies in the tree.
func (w *walk) name() (string, bool) {
	at := w.at
	switch {
	case at[0] == "proc" && len(at) > 2 && at[1] == "sys" && at[2] == "net":
		return "/" + strings.Join(at, "/"), true
	case at[0] == "proc" && len(at) > 2 && isNumber(at[1]):
		rest := at[2:]
		if len(rest) > 2 && rest[0] == "task" {
			rest = rest[2:]
		}
		if rest[0] == "net" {
			return "/proc/" + strings.Join(rest, "/"), true
		}
	case at[0] == "sys" && len(at) > 2 && at[1] == "class" && at[2] == "net":
		return "/" + strings.Join(at, "/"), true
	case at[0] == "sys" && len(at) > 2 && at[1] != "fs" && (at[1] != "kernel" || at[2] == "iommu_groups"):
		return deviceName(at)
	}
	return "", false
}

// deviceName is the name of a file of an interface, wherever in /sys its device
// lies or a link leads to it: the tree has it among the virtual devices. Where
// none does (control groups, trace events), net is a name like others.
func deviceName(at []string) (string, bool) {
	for i, name := range at[2:] {
		if name == "net" {
			return "/sys/devices/virtual/" + strings.Join(at[2+i:], "/"), true
		}
	}
	return "", false
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Misleads says whether a symbolic link with this target may hide from Judge
// where a path through it leads: one that names /proc or /sys, or a directory
// above them.
func Misleads(target []byte) bool {
	if !mentions(target) && !bytes.HasSuffix(target, []byte("..")) && len(bytes.Trim(target, "/.")) > 0 {
		return false
	}
	last := ""
	for name := range strings.SplitSeq(string(target), "/") {
		switch name {
		case "proc", "sys":
			return true
		case "", ".":
		default:
			last = name
		}
	}
	return last == "" && len(target) > 0 && target[0] == '/' || last == ".."
}
