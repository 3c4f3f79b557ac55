// Package seccomp makes the filter that decides, in the kernel, which system
// calls of the sandboxed program reach the supervisor.
//
// What is trapped or refused is data: the table in rules.go, one row a call,
// with its reason. [Build] turns the table into a BPF program with the
// assembler of github.com/elastic/go-seccomp-bpf. The decision tree is built
// here rather than by that library's Policy: Policy tests the calls one after
// the other, and it goes on comparing call numbers after an argument was
// loaded over the number, so that a row with conditions must not be followed
// by any other. Here the number is searched in a balanced tree (an untrapped
// call costs at most 11 instructions, and on Linux ≥ 5.11 none: the kernel
// keeps a bitmap of calls that a filter allows whatever their arguments; mmap(2)
// is not among those, and costs 13), and
// each leaf decides alone.
//
// With [BuildNotify] a trapped call is a notification instead of a seccomp-stop. With
// [BuildDebuggable] all are, and tasks may trace each other.
//
// A call of a foreign ABI (i386, x32) fails with ENOSYS, as on a kernel built
// without it. A trapped call that no tracer looks at, or no listener, fails with ENOSYS too
// (seccomp(2), SECCOMP_RET_TRACE and SECCOMP_RET_USER_NOTIF): what escapes the supervisor, as a child made
// with CLONE_UNTRACED does, has no network.
//
// unshare(2) and setns(2) are native: sockets are trapped in any network
// namespace, so they open no way out. Neither do perf_event_open(2) and
// kcmp(2). Files are opened natively, but for those that tell of the network
// (opens.go): /dev/net/tun and /proc/PID/mem of other processes of the user are
// not guarded.
package seccomp
