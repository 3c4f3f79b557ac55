package netemu

import (
	"time"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/trap"
)

// receiveDeadline is when the timeout of a recvmmsg(2) is over; zero: never.
func receiveDeadline(t trap.Task, c trap.Call) (time.Time, unix.Errno) {
	if c.Pointer(4) == 0 {
		return time.Time{}, 0
	}
	wait, errno := readTimespec(t, c.Pointer(4))
	return time.Now().Add(wait), errno
}

func readTimespec(t trap.Task, addr uint64) (time.Duration, unix.Errno) {
	b := make([]byte, abi.SizeofTimespec)
	if errno := t.ReadMemory(addr, b); errno != 0 {
		return 0, errno
	}
	ts, errno := abi.ParseTimespec(b)
	if errno != 0 {
		return 0, errno
	}
	return ts.Duration()
}
