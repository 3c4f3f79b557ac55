package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/trap"
)

func init() {
	syscalls[unix.SYS_EPOLL_CREATE] = syscallRow{"epoll_create", (*Emulator).epollCreate, ""}
	syscalls[unix.SYS_OPEN] = syscallRow{"open", (*Emulator).open, ""}
	syscalls[unix.SYS_CREAT] = syscallRow{"creat", (*Emulator).open, ""}
	syscalls[unix.SYS_SYMLINK] = syscallRow{"symlink", (*Emulator).symlink, ""}
}

// parseLegacyOpening reads the arguments of the calls that openat(2) stands
// for.
func parseLegacyOpening(c trap.Call) (opening, bool) {
	switch c.NR {
	case unix.SYS_OPEN:
		return opening{dir: unix.AT_FDCWD, path: c.Pointer(0), flags: uint64(uint32(c.Args[1]))}, true
	case unix.SYS_CREAT:
		return opening{dir: unix.AT_FDCWD, path: c.Pointer(0), flags: unix.O_CREAT | unix.O_WRONLY | unix.O_TRUNC}, true
	}
	return opening{}, false
}
