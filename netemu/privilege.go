package netemu

import (
	"fmt"
	"os"
	"strings"
)

// mayConfigure says whether task tid may change the network's configuration.
// The network is its own namespace, whose owner is the user that started
// netbox: that one and root have CAP_NET_ADMIN over it (user_namespaces(7)).
// A task that is gone may not.
func (e *Emulator) mayConfigure(tid int) bool {
	euid, ok := effectiveUID(tid)
	return ok && (euid == 0 || euid == os.Geteuid())
}

// effectiveUID reads the effective user id of a task, as the supervisor's user
// namespace counts, out of /proc/TID/status (proc_pid_status(5)).
func effectiveUID(tid int) (int, bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return 0, false
	}
	_, after, found := strings.Cut(string(status), "\nUid:")
	var real, effective int
	n, err := fmt.Sscan(after, &real, &effective)
	return effective, found && err == nil && n == 2
}
