package netemu

import (
	"netbox/netemu/procfs"
	"netbox/trap"
)

// symlink is symlink(2) and symlinkat(2). From the first link on that may lead
// into /proc or /sys, what a program opens is looked at when it is open: the
// text of a path does not tell any longer.
func (e *Emulator) symlink(t trap.Task, c trap.Call) trap.Verdict {
	target, errno := t.ReadPath(c.Pointer(0))
	if errno == 0 && procfs.Misleads(target) {
		e.misled.Store(true)
	}
	return trap.Run()
}

// chroot is chroot(2): paths begin elsewhere from then on.
func (e *Emulator) chroot(trap.Task, trap.Call) trap.Verdict {
	e.misled.Store(true)
	return trap.Run()
}
