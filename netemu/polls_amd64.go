package netemu

import "golang.org/x/sys/unix"

// polls are the calls that wait for descriptors.
var polls = []int{
	unix.SYS_POLL, unix.SYS_PPOLL, unix.SYS_SELECT, unix.SYS_PSELECT6,
	unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2,
}
