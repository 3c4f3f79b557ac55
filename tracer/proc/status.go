package proc

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// Alive says whether there is a task tid. Signal 0 asks for it; EPERM: there is one of
// another user.
func Alive(tid int) bool { return tid > 0 && unix.Kill(tid, 0) != unix.ESRCH }

// HasThread says whether task tid is a thread of process pid.
func HasThread(pid, tid int) bool { return unix.Tgkill(pid, tid, 0) != unix.ESRCH }

// ThreadGroup is the process that task tid belongs to.
func ThreadGroup(tid int) (int, bool) {
	var path pathBuffer
	var buf [512]byte // Tgid is among the first lines
	b, e := path.task(tid, "/status").read(buf[:])
	if e != 0 {
		return 0, false
	}
	v, ok := field(b, "Tgid:", 10)
	return int(v), ok
}

// Name is /proc/TID/comm.
func Name(tid int) string {
	var path pathBuffer
	var buf [64]byte // TASK_COMM_LEN is 16; a kernel worker's may be longer
	b, _ := path.task(tid, "/comm").read(buf[:])
	return string(bytes.TrimRight(b, "\n"))
}

// Caught are the signals (bit n-1 for signal n) that task tid has handlers for.
func Caught(tid int) uint64 { return signalSet(tid, "\nSigCgt:\t") }

// Ignored are the signals, likewise, that task tid ignores as it was told.
func Ignored(tid int) uint64 { return signalSet(tid, "\nSigIgn:\t") }

// Pending says whether task tid has signals to deliver: its own, or its process's,
// which another thread may take.
func Pending(tid int) bool {
	var path pathBuffer
	var buf [2048]byte
	b, _ := path.task(tid, "/status").read(buf[:])
	return (setAfter(b, "\nSigPnd:\t")|setAfter(b, "\nShdPnd:\t"))&^setAfter(b, "\nSigBlk:\t") != 0
}

// signalSet is the set of signals after name in /proc/TID/status.
func signalSet(tid int, name string) uint64 {
	var path pathBuffer
	var buf [2048]byte
	b, _ := path.task(tid, "/status").read(buf[:])
	return setAfter(b, name)
}

func setAfter(b []byte, name string) uint64 {
	_, b, ok := bytes.Cut(b, []byte(name))
	if !ok || len(b) < 16 {
		return 0
	}
	v, _ := strconv.ParseUint(string(b[:16]), 16, 64)
	return v
}

// Switches is how often task tid has left a processor, in its own time or not; 0 if
// there is no such task.
func Switches(tid int) uint64 {
	var path pathBuffer
	var buf [4096]byte
	b, _ := path.task(tid, "/status").read(buf[:])
	own, _ := field(b, "voluntary_ctxt_switches:", 10)
	others, _ := field(b, "nonvoluntary_ctxt_switches:", 10)
	return own + others
}

// InnermostPID is the number of task tid's process in its own pid namespace.
func InnermostPID(tid int) int {
	var path pathBuffer
	var buf [1024]byte
	b, _ := path.task(tid, "/status").read(buf[:])
	_, b, ok := bytes.Cut(b, []byte("\nNStgid:"))
	if !ok {
		return 0
	}
	b, _, _ = bytes.Cut(b, []byte("\n"))
	pid, _ := leadingNumber(b[bytes.LastIndexByte(b, '\t')+1:], 10)
	return int(pid)
}

// field is the number after name in a file of "name:\tnumber" lines.
func field(b []byte, name string, base uint64) (uint64, bool) {
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if len(line) > len(name) && string(line[:len(name)]) == name {
			return leadingNumber(bytes.TrimLeft(line[len(name):], "\t "), base)
		}
	}
	return 0, false
}

func leadingNumber(b []byte, base uint64) (uint64, bool) {
	var v uint64
	i := 0
	for i < len(b) && b[i] >= '0' && uint64(b[i]-'0') < base {
		v = v*base + uint64(b[i]-'0')
		i++
	}
	return v, i > 0
}
