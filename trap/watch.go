package trap

import "golang.org/x/sys/unix"

// Watcher is an engine that can look at calls which the kernel runs. A surrogate
// has few errors to fail them with; the right one is put in their place.
type Watcher interface {
	// Watch has the Corrector asked of calls of process pid until Unwatch was called
	// as often. Neither waits, and both may be called with locks held. ready is called
	// without, on the engine's thread, when every thread of the process is looked at,
	// or one of them does not stop for that: before a thread goes on that is in a
	// trapped call. False: the tree is gone, and ready is not called.
	Watch(pid int, ready func()) bool
	Unwatch(pid int)
}

// Corrector is a Handler with something to say about calls that it did not trap.
type Corrector interface {
	Handler
	// Attach is called before the first call comes.
	Attach(w Watcher)
	// Correct is asked of a read(2), write(2) or their kin in a watched process that
	// has failed with ECONNRESET. It fails with errno instead; again: it
	// is made once more.
	Correct(t Task, c Call) (errno unix.Errno, again bool)
}
