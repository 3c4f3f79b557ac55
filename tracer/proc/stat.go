package proc

import "bytes"

// Stat is what is wanted of /proc/PID/stat.
type Stat struct {
	State  byte // R, S, D, T, t, Z, X
	Parent int  // of the process
}

// ReadStat reads that of task tid; false if there is none.
func ReadStat(tid int) (Stat, bool) {
	var path pathBuffer
	var buf [128]byte // pid, name in parentheses, state, ppid
	b, e := path.task(tid, "/stat").read(buf[:])
	if e != 0 {
		return Stat{}, false
	}
	// The name may have parentheses and spaces; what follows has none.
	at := bytes.LastIndexByte(b, ')')
	if at < 0 || len(b) < at+5 {
		return Stat{}, false
	}
	parent, ok := leadingNumber(b[at+4:], 10)
	return Stat{State: b[at+2], Parent: int(parent)}, ok
}

// Descends says whether task tid is of a process below root.
func Descends(tid, root int) bool {
	for pid := tid; pid > 1; {
		s, ok := ReadStat(pid)
		if !ok {
			return false
		}
		if pid = s.Parent; pid == root {
			return true
		}
	}
	return false
}
