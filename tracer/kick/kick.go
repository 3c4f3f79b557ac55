// Package kick gets a thread of this process out of a system call that blocks,
// by a signal whose handler does nothing: the call fails with EINTR.
//
// A signal that comes right before the thread enters its call is lost, so whoever
// kicks goes on until the thread has answered; see [Until].
package kick

import (
	"os"
	"os/signal"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kicks is the signal: a real-time one, which no terminal and no kernel sends, and
// not one of the first three, which C libraries keep for themselves.
const kicks = unix.Signal(62)

var (
	once sync.Once
	got  = make(chan os.Signal, 1)
	err  error
)

// Prepare installs the handler, for good. Go's own has SA_RESTART, under which
// the kernel would begin the call anew.
func Prepare() error {
	once.Do(func() {
		signal.Notify(got, kicks)
		var a sigaction
		if err = rtSigaction(nil, &a); err == nil {
			a.flags &^= saRestart
			err = rtSigaction(&a, nil)
		}
	})
	return err
}

// Admit lets the calling thread be kicked, which must be locked: the signal may
// have been blocked where this process was started.
func Admit() error {
	set := unix.Sigset_t{}
	set.Val[0] = 1 << (uint(kicks) - 1)
	return unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil)
}

// First and longest pause between two kicks: a thread that is about to block has
// blocked by then, and one that has no processor is not made to run its handler
// more often than it can answer.
const (
	firstPause = 50 * time.Microsecond
	lastPause  = 5 * time.Millisecond
)

// Until kicks thread tid until done.
func Until(tid int, done func() bool) {
	pause := firstPause
	for !done() {
		if unix.Tgkill(unix.Getpid(), tid, kicks) == unix.ESRCH {
			return
		}
		time.Sleep(pause)
		pause = min(2*pause, lastPause)
	}
}

// sigaction is the kernel's struct of that name, on amd64 and arm64.
type sigaction struct{ handler, flags, restorer, mask uint64 }

// saRestart is SA_RESTART of <asm-generic/signal-defs.h>; sigsetLen is
// sizeof(sigset_t) in the kernel.
const (
	saRestart = 0x10000000
	sigsetLen = 8
)

func rtSigaction(set, old *sigaction) error {
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(kicks), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), sigsetLen, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
