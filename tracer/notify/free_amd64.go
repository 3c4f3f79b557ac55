package notify

import "golang.org/x/sys/unix"

// opens says whether a call opens a file.
func opens(nr int) bool {
	switch nr {
	case unix.SYS_OPEN, unix.SYS_CREAT, unix.SYS_OPENAT, unix.SYS_OPENAT2:
		return true
	}
	return false
}
