package tracer

import (
	"os"
	"runtime"
	"strconv"

	"netbox/tracer/keeper"
	"netbox/tracer/ptrace"

	"golang.org/x/sys/unix"
)

// Init prepares the process for Launch. It is to be called first in main: it
// locks the main goroutine to the main thread, and keeps descriptors that the
// supervisor was started with from everything that it starts, which goes by the timer slack
// that the supervisor was started with. In a process that was
// started as a box's keeper it does not return.
func Init() {
	runtime.LockOSThread()
	giveSlackBack()
	keeper.Keep(func(j keeper.Job) (int, error) {
		return ptrace.StartParked(ptrace.Program{Args: j.Args, Env: j.Env, Files: j.Files})
	})
	hideDescriptors()
}

// hideDescriptors marks every descriptor but 0 to 2 close-on-exec, so that
// the program and the helpers get those that are handed to them and no other.
func hideDescriptors() {
	if unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	// Before Linux 5.11, or under a filter that does not know the call.
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
