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

// receivedMany ends a recvmmsg(2) with n messages. Where it has a timeout, the time
// that is left is told (__sys_recvmmsg).
func receivedMany(t trap.Task, c trap.Call, end time.Time, n int64) trap.Verdict {
	if !end.IsZero() {
		left := max(time.Until(end), 0)
		ts := abi.Timespec{Sec: int64(left / time.Second), Nsec: int64(left % time.Second)}
		if errno := t.WriteMemory(c.Pointer(4), ts.Bytes()); errno != 0 {
			return trap.Fail(errno)
		}
	}
	return trap.Done(n)
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
