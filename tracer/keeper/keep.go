package keeper

import (
	"errors"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Job is what the keeper is to start: the program's arguments, and its descriptors
// by number, of which -1 stays closed.
type Job struct {
	Args  []string
	Env   []string
	Files []int
}

// Keep is the keeper's main, if this process was started as one; it does not return
// then. start starts the program's first process, as a child of the calling thread.
func Keep(start func(Job) (pid int, err error)) {
	if len(os.Args) < 2 || os.Args[0] != Name {
		return
	}
	job, link, err := parse(os.Args[1], os.Args[2:])
	if err != nil {
		os.Exit(1)
	}
	os.Exit(keep(job, link, start))
}

func keep(job Job, link int, start func(Job) (int, error)) int {
	unix.CloseOnExec(link)
	withstand()
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	}
	pid := 0
	if err == nil {
		pid, err = start(job)
	}
	if err != nil {
		errno := unix.EIO
		errors.As(err, &errno)
		send(link, failed, uint32(errno))
		return 1
	}
	send(link, started, uint32(pid))
	var over atomic.Bool
	go func() { // ends with the process
		_, _, _ = receive(link)
		killUntil(os.Getpid(), over.Load)
	}()
	reap(pid, link)
	over.Store(true)
	return 0
}

// withstand keeps the signals of the terminal, and others', from ending the
// keeper. They are caught, as ignored ones would be ignored by the program too.
func withstand() {
	var list []os.Signal
	for n := 1; n < 32; n++ {
		switch sig := unix.Signal(n); sig {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT:
		default:
			if !signal.Ignored(sig) {
				list = append(list, sig)
			}
		}
	}
	signal.Notify(make(chan os.Signal, 1), list...)
}

// reap waits for all children, and tells what becomes of the main one. Its end is
// that of the box.
func reap(main, link int) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WUNTRACED|unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return // ECHILD
		}
		if pid == main {
			send(link, changed, uint32(ws))
		}
		switch {
		case ws.Stopped():
			letGo(pid, ws)
		case pid == main:
			go killUntil(os.Getpid(), func() bool { return false }) // ends with the process
		}
	}
}

// letGo lets a child go that has made its parent its tracer (PTRACE_TRACEME).
// ESRCH: it has not.
func letGo(pid int, ws unix.WaitStatus) {
	sig := ws.StopSignal()
	if sig == unix.SIGTRAP {
		sig = 0
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(pid), 0, uintptr(sig), 0, 0)
}

// table writes the program's descriptors, and the keeper's own, for its argv.
func table(files []int, link int) string {
	var b []byte
	for _, fd := range append(append([]int{}, files...), link) {
		b = append(strconv.AppendInt(b, int64(fd), 10), ',')
	}
	return strings.TrimSuffix(string(b), ",")
}

// parse reads what table wrote. The environment is read where it has not been put
// in order, as that of os.Environ has.
func parse(table string, args []string) (job Job, link int, err error) {
	for field := range strings.SplitSeq(table, ",") {
		fd, err := strconv.Atoi(field)
		if err != nil {
			return job, -1, err
		}
		job.Files = append(job.Files, fd)
	}
	last := len(job.Files) - 1
	link, job.Files = job.Files[last], job.Files[:last]
	raw, err := os.ReadFile("/proc/self/environ")
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\x00"), "\x00") {
		if entry != "" {
			job.Env = append(job.Env, entry)
		}
	}
	job.Args = args
	return job, link, err
}

// exec starts the keeper itself.
func exec(job Job, dir string, link int) (int, error) {
	files := make([]uintptr, 0, len(job.Files)+1)
	numbers := make([]int, len(job.Files))
	for i, fd := range job.Files {
		files = append(files, uintptr(fd))
		if numbers[i] = i; fd < 0 {
			numbers[i] = -1
		}
	}
	args := append([]string{Name, table(numbers, len(files))}, job.Args...)
	return syscall.ForkExec("/proc/self/exe", args, &syscall.ProcAttr{Dir: dir, Env: job.Env, Files: append(files, uintptr(link))})
}
