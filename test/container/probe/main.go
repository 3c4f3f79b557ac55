// Probe tries the system calls by which Docker's default seccomp profile is
// known, and prints a line each: name, and "ok" or the errno's name.
package main

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	report("ptrace", ptrace())
	_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	report("socketpair", err)
	report("unshare", unix.Unshare(unix.CLONE_NEWUSER))
	report("setns", unix.Setns(-1, unix.CLONE_NEWNET))
	_, err = unix.PidfdGetfd(-1, 0, 0)
	report("pidfd_getfd", err)
	_, _, errno := unix.Syscall(unix.SYS_CLONE3, 0, 0, 0)
	report("clone3", errno)
	_, _, errno = unix.Syscall(unix.SYS_IO_URING_SETUP, 0, 0, 0)
	report("io_uring_setup", errno)
	_, _, errno = unix.Syscall6(unix.SYS_KCMP, 0, 0, 0, 0, 0, 0)
	report("kcmp", errno)
}

// ptrace starts a child that asks to be traced.
func ptrace() error {
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	err := cmd.Start()
	if err != nil {
		return err
	}
	return cmd.Process.Kill()
}

func report(name string, err error) {
	if errno, ok := err.(unix.Errno); ok && errno != 0 {
		fmt.Println(name, unix.ErrnoName(errno))
		return
	}
	if err != nil && err != unix.Errno(0) {
		fmt.Println(name, err)
		return
	}
	fmt.Println(name, "ok")
}
