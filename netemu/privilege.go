package netemu

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"netbox/abi"
)

// privilege is who a task is and what it may, as the supervisor's user namespace
// counts.
type privilege struct {
	pid        int64   // of its process, as the task itself counts
	uids, gids []int64 // real, effective, saved, of the file system
	effective  uint64  // capabilities, by bit
}

// privilegeOf reads /proc/TID/status (proc_pid_status(5)); false: the task is gone.
func privilegeOf(tid int) (p privilege, ok bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return p, false
	}
	for line := range strings.Lines(string(status)) {
		key, text, _ := strings.Cut(line, ":")
		fields := strings.Fields(text)
		switch key {
		case "NStgid":
			if n := numbers(fields); len(n) > 0 {
				p.pid = n[len(n)-1]
			}
		case "Uid":
			p.uids = numbers(fields)
		case "Gid":
			p.gids = numbers(fields)
		case "CapEff":
			p.effective, _ = strconv.ParseUint(strings.TrimSpace(text), 16, 64)
		}
	}
	return p, len(p.uids) == 4 && len(p.gids) == 4
}

func numbers(fields []string) (out []int64) {
	for _, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}

func (p privilege) has(capability int) bool { return p.effective>>capability&1 == 1 }

// isMapped says whether an id is one in the supervisor's user namespace, which is the
// box's (user_namespaces(7)).
func isMapped(file string, id uint32) bool {
	text, err := os.ReadFile("/proc/self/" + file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if n := numbers(strings.Fields(line)); len(n) == 3 && int64(id) >= n[0] && int64(id)-n[0] < n[2] {
			return true
		}
	}
	return false
}

// ownsProcesses says whether the pid namespace belongs to the box's user namespace:
// only then is CAP_SYS_ADMIN of that one worth something to it (ioctl_ns(2)).
func ownsProcesses() bool {
	pids, err := os.Open("/proc/self/ns/pid")
	if err != nil {
		return false
	}
	defer pids.Close()
	owner, err := unix.IoctlRetInt(int(pids.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return false
	}
	defer unix.Close(owner)
	var theirs, ours unix.Stat_t
	return unix.Fstat(owner, &theirs) == nil && unix.Stat("/proc/self/ns/user", &ours) == nil && theirs.Ino == ours.Ino
}

// mayClaim is __scm_send of SCM_CREDENTIALS, with scm_check_creds.
func (p privilege) mayClaim(c abi.Ucred) unix.Errno {
	own := func(ids []int64, id uint32) bool { return slices.Contains(ids[:3], int64(id)) }
	switch {
	case !isMapped("uid_map", c.UID), !isMapped("gid_map", c.GID): // make_kuid
		return unix.EINVAL
	case int64(c.PID) != p.pid && !(p.has(unix.CAP_SYS_ADMIN) && ownsProcesses()),
		!own(p.uids, c.UID) && !p.has(unix.CAP_SETUID),
		!own(p.gids, c.GID) && !p.has(unix.CAP_SETGID):
		return unix.EPERM
	case int64(c.PID) != p.pid && (c.PID <= 0 || unix.Kill(int(c.PID), 0) == unix.ESRCH):
		return unix.ESRCH
	}
	return 0
}

// mayConfigure says whether task tid may change the network's configuration.
// The network is its own namespace, whose owner is the user that started
// netbox: that one and root have CAP_NET_ADMIN over it (user_namespaces(7)).
// A task that is gone may not.
func (e *Emulator) mayConfigure(tid int) bool {
	p, ok := privilegeOf(tid)
	return ok && (p.uids[1] == 0 || p.uids[1] == int64(os.Geteuid()))
}
