package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// CanWriteSysctl says whether a program that this process starts could change
// the host's settings under /proc/sys/net, or /sys/class/net. One that can't gets
// EACCES from the kernel for every file of the emulation's that it opens for
// writing, so that such opens need no trap. Root can, also where /proc/sys is
// mounted read-only: it mounts it anew, or goes by /sys.
func CanWriteSysctl() bool {
	return unix.Geteuid() == 0 || overrides() || unix.Faccessat(unix.AT_FDCWD, "/proc/sys/net/core/somaxconn", unix.W_OK, unix.AT_EACCESS) == nil
}

// overrides says whether this process has CAP_DAC_OVERRIDE, or what could give
// it that (capabilities(7)). If the kernel does not tell, it has.
func overrides() bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&h, &sets[0]) != nil {
		return true
	}
	return (sets[0].Effective|sets[0].Permitted)&(1<<unix.CAP_DAC_OVERRIDE) != 0
}

// table is all rules.
func table(o Options) []rule {
	list := slices.Concat(rules, opens(o.Sysctls), legacyOpens(o.Sysctls))
	if o.HostSockets {
		list[0] = hostSocket
		list = append(list, epollSets()...)
	}
	return list
}

const why = "files of /proc/net, /proc/sys/net and /sys/class/net are the emulation's; the path is in memory, out of the filter's sight"

// opens are the calls by which a program gets at files. A directory that is
// opened by its name within another open directory, and not through a link, is
// let be: this is how find(1) and rm(1) walk a tree. Files in it are trapped.
func opens(sysctls bool) []rule {
	walk := [][]test{
		{{arg: 2, op: noBit32, val: unix.O_DIRECTORY}},
		{{arg: 2, op: noBit32, val: unix.O_NOFOLLOW}},
		{{arg: 0, op: equal32, val: atFDCWD}},
	}
	if !sysctls {
		for i := range walk {
			walk[i] = append(walk[i], reading(2))
		}
	}
	return []rule{
		{"openat", trap, walk, why},
		{"openat2", trap, nil, why + ", and so are the flags"},
		{"symlinkat", trap, nil, "a link into /proc or /sys hides where a path leads"},
		{"chroot", trap, nil, "as a link"},
	}
}

// atFDCWD is the low half of AT_FDCWD, -100.
const atFDCWD = 0xffffff9c

// reading holds for O_RDONLY and O_PATH, if argument arg has the flags.
func reading(arg uint32) test { return test{arg: arg, op: noBit32, val: unix.O_ACCMODE} }
