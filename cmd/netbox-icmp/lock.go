package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nobody is the user that the helper becomes when root starts it, so that a
// process that has lost its capabilities does not still own root's files.
const nobody = 65534

// lock gives up every privilege for good: user root, capabilities in all sets
// of all threads, the right to gain any by exec, resources, and at last every
// system call that serving does not need. A failure is fatal to the caller.
//
// Capabilities and no_new_privs belong to threads, and the Go runtime has
// several by now, so each call is made on all of them.
func lock() error {
	if err := leaveRoot(); err != nil {
		return err
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	// Neither another process of the user can trace us, nor a core dump tell
	// what we hold.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_DUMPABLE: %w", err)
	}
	if err := limitResources(); err != nil {
		return err
	}
	return loadFilters()
}

// leaveRoot makes root nobody. The bounding set comes first: clearing it takes
// a capability (CAP_SETPCAP) that only root has here. A user namespace that
// does not map nobody (EINVAL) and a root without CAP_SETUID (EPERM) stay what
// they are: without capabilities, root is a user like any other.
func leaveRoot() error {
	if err := clearBounding(); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	for _, err := range []error{
		syscall.Setgroups(nil),
		syscall.Setresgid(nobody, nobody, nobody),
		syscall.Setresuid(nobody, nobody, nobody),
	} {
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("become nobody: %w", err)
		}
	}
	return nil
}

// clearBounding empties the bounding set where that is allowed (EPERM: not).
// Behind no_new_privs it would give nothing anyway.
func clearBounding() error {
	for capability := uintptr(0); ; capability++ {
		errno := onAllThreads(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability, 0)
		switch errno {
		case 0:
		case unix.EINVAL, unix.EPERM: // behind the last one, or not allowed
			return nil
		default:
			return fmt.Errorf("PR_CAPBSET_DROP: %w", errno)
		}
	}
}

// dropCapabilities empties the other sets, sets no_new_privs, and reads back
// what the kernel says of every thread.
func dropCapabilities() error {
	if errno := onAllThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); errno != 0 {
		return fmt.Errorf("PR_SET_NO_NEW_PRIVS: %w", errno)
	}
	if errno := onAllThreads(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); errno != 0 {
		return fmt.Errorf("PR_CAP_AMBIENT: %w", errno)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3} // pid 0: the calling thread
	var none [2]unix.CapUserData
	errno := onAllThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
	if errno != 0 {
		return fmt.Errorf("capset: %w", errno)
	}
	return verifyThreads()
}

// onAllThreads makes a system call on every thread, by the runtime's own means
// (which exist only in a program without cgo). prctl's fifth argument is
// passed as 0.
func onAllThreads(nr, a1, a2, a3 uintptr) syscall.Errno {
	_, _, errno := syscall.AllThreadsSyscall6(nr, a1, a2, a3, 0, 0, 0)
	return errno
}

// verifyThreads checks /proc/self/task/*/status.
func verifyThreads() error {
	paths, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(paths) == 0 {
		return fmt.Errorf("no threads in /proc/self/task: %w", errors.Join(err, unix.ENOENT))
	}
	for _, path := range paths {
		status, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread is gone
		}
		if err != nil {
			return err
		}
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
			if !bytes.Contains(status, []byte("\n"+set+":\t0000000000000000\n")) {
				return fmt.Errorf("%s: %s is not empty", path, set)
			}
		}
	}
	return nil
}

// limitResources sets limits, soft and hard, below which nothing that the
// helper does falls. There is none on threads (RLIMIT_NPROC): the runtime may
// need another, and the filter lets it have nothing but threads.
func limitResources() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, l := range []struct {
		resource int
		limit    uint64
	}{
		// No descriptor beside those that are open. ppoll(2) wants the limit
		// to be no less than the number it is given, ReadDir's own included.
		{unix.RLIMIT_NOFILE, uint64(len(open))},
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_FSIZE, 0},
		{unix.RLIMIT_MEMLOCK, 0},
		{unix.RLIMIT_MSGQUEUE, 0},
		// The full table is 64 MiB, the receive buffers 4 MiB, and the runtime
		// maps its heap in pieces of 64 MiB.
		{unix.RLIMIT_DATA, 512 << 20},
	} {
		// The system call itself: syscall.Setrlimit would also undo what the
		// runtime did to RLIMIT_NOFILE at start.
		if err := unix.Prlimit(0, l.resource, &unix.Rlimit{Cur: l.limit, Max: l.limit}, nil); err != nil {
			return fmt.Errorf("setrlimit %d: %w", l.resource, err)
		}
	}
	return nil
}
