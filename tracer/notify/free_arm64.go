package notify

import "golang.org/x/sys/unix"

// opens says whether a call opens a file.
func opens(nr int) bool { return nr == unix.SYS_OPENAT || nr == unix.SYS_OPENAT2 }
