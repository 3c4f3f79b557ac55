package tracer

import "golang.org/x/sys/unix"

// ignoredMask has bit n-1 set for each signal n that was ignored when the
// process was started. Go's runtime puts handlers on all but SIGHUP and
// SIGINT, and keeps to itself what was there, so the program would find
// SIGPIPE at its default though the caller of netbox had ignored it. The
// entry point netbox_start fills the mask before the runtime begins;
// an executable linked without -ldflags=-E=netbox_start leaves it empty.
var ignoredMask uint64

// blockedMask are the signals that were blocked, filled likewise. The runtime
// unblocks a few for itself, SIGCHLD among them.
var blockedMask uint64

// signalsOf are the signals of a mask.
func signalsOf(mask uint64) []unix.Signal {
	var sigs []unix.Signal
	for n := range 64 {
		if mask&(1<<n) != 0 {
			sigs = append(sigs, unix.Signal(n+1))
		}
	}
	return sigs
}
