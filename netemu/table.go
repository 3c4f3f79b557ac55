package netemu

import (
	"golang.org/x/sys/unix"

	"netbox/trap"
)

// syscallRow is one emulated system call. Partial says what is missing.
type syscallRow struct {
	name    string
	handle  func(*Emulator, trap.Task, trap.Call) trap.Verdict
	partial string
}

// syscalls is the table of what is emulated, by number. The filter (package
// seccomp) decides which calls get here.
var syscalls = map[int]syscallRow{
	unix.SYS_SOCKET:        {"socket", (*Emulator).socket, "AF_INET, AF_INET6, AF_NETLINK, AF_PACKET; AF_UNIX is native; others: EAFNOSUPPORT"},
	unix.SYS_SOCKETPAIR:    {"socketpair", (*Emulator).socketpair, ""},
	unix.SYS_BIND:          {"bind", (*Emulator).bind, ""},
	unix.SYS_CONNECT:       {"connect", (*Emulator).connect, ""},
	unix.SYS_LISTEN:        {"listen", (*Emulator).listen, ""},
	unix.SYS_ACCEPT4:       {"accept4", (*Emulator).accept, ""},
	unix.SYS_ACCEPT:        {"accept", (*Emulator).accept, ""},
	unix.SYS_SHUTDOWN:      {"shutdown", (*Emulator).shutdown, ""},
	unix.SYS_GETSOCKNAME:   {"getsockname", (*Emulator).getsockname, ""},
	unix.SYS_GETPEERNAME:   {"getpeername", (*Emulator).getpeername, ""},
	unix.SYS_SETSOCKOPT:    {"setsockopt", (*Emulator).setsockopt, "see the option table"},
	unix.SYS_GETSOCKOPT:    {"getsockopt", (*Emulator).getsockopt, "see the option table"},
	unix.SYS_SENDTO:        {"sendto", (*Emulator).send, "MSG_OOB: in line; MSG_FASTOPEN: EOPNOTSUPP"},
	unix.SYS_SENDMSG:       {"sendmsg", (*Emulator).send, "as sendto"},
	unix.SYS_SENDMMSG:      {"sendmmsg", (*Emulator).send, "as sendto"},
	unix.SYS_RECVFROM:      {"recvfrom", (*Emulator).receive, "MSG_OOB: EINVAL, as without urgent data"},
	unix.SYS_RECVMSG:       {"recvmsg", (*Emulator).receive, "as recvfrom"},
	unix.SYS_RECVMMSG:      {"recvmmsg", (*Emulator).receive, "as recvfrom"},
	unix.SYS_OPENAT:        {"openat", (*Emulator).open, ""},
	unix.SYS_OPENAT2:       {"openat2", (*Emulator).open, ""},
	unix.SYS_SYMLINKAT:     {"symlinkat", (*Emulator).symlink, ""},
	unix.SYS_CHROOT:        {"chroot", (*Emulator).chroot, ""},
	unix.SYS_MMAP:          {"mmap", (*Emulator).mmap, "rings of packet sockets"},
	unix.SYS_EPOLL_CREATE1: {"epoll_create1", (*Emulator).epollCreate, ""},
	unix.SYS_IOCTL:         {"ioctl", (*Emulator).ioctl, "the SIOC* network requests"},
}
