package ptrace

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"testing"

	"netbox/trap"

	"golang.org/x/sys/unix"
)

// handler is an emulation made of one function.
type handler func(t trap.Task, c trap.Call) trap.Verdict

func (h handler) Handle(t trap.Task, c trap.Call) trap.Verdict { return h(t, c) }
func (h handler) ProcessExited(int)                            {}

// run has bash run a script under the handler, which is not asked about opens,
// and returns the exit code.
func run(t *testing.T, h func(e *Engine, t trap.Task, c trap.Call) trap.Verdict, script string) (int, Stats) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var e *Engine
	answer := handler(func(task trap.Task, c trap.Call) trap.Verdict {
		if c.NR == unix.SYS_OPENAT && !opened(task, c, replaced) {
			return trap.Run()
		}
		return h(e, task, c)
	})
	e, err := New(Config{Handler: answer, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	// Trapped calls that no script here means: without SHLVL bash asks
	// getpeername(2) whether rshd has started it, without HOME or SHELL it looks
	// its user up and connects to nscd.
	env := []string{"PATH=/usr/bin:/bin", "HOME=/", "SHELL=/bin/bash", "SHLVL=2"}
	err = e.Spawn(Program{Paths: []string{"/bin/bash"}, Args: []string{"bash", "-c", script}, Env: env, Files: []int{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	ws, err := e.Run()
	if err != nil {
		t.Fatal(err)
	}
	if len(e.tasks)+len(e.processes)+len(e.gates) > 0 {
		t.Errorf("left over: %d tasks, %d processes, %d gates", len(e.tasks), len(e.processes), len(e.gates))
	}
	return ws.ExitStatus(), e.Stats()
}

// replaced is the file whose opens a handler is asked about.
const replaced = "/proc/version"

func opened(task trap.Task, c trap.Call, path string) bool {
	got, errno := task.ReadPath(c.Pointer(1))
	return errno == 0 && string(got) == path
}

// TestReplaced: a file that the kernel has opened gives way to another one
// under the same number.
func TestReplaced(t *testing.T) {
	code, stats := run(t, func(_ *Engine, _ trap.Task, c trap.Call) trap.Verdict {
		if c.NR != unix.SYS_OPENAT {
			return trap.Run()
		}
		return trap.RunThen(nil, func(task trap.Task, ret int64) trap.Verdict {
			if path, errno := task.Path(int32(ret)); errno != 0 || string(path) != replaced {
				t.Errorf("opened %d %q, %v", ret, path, errno)
			}
			p := make([]int, 2)
			if err := unix.Pipe2(p, unix.O_CLOEXEC); err != nil {
				t.Error(err)
			}
			if _, err := unix.Write(p[1], []byte("another file\n")); err != nil {
				t.Error(err)
			}
			unix.Close(p[1])
			i := &trap.Install{File: p[0], At: -1}
			return (&trap.Close{FD: int32(ret), Next: i.Verdict()}).Verdict()
		})
	}, `exec 5< `+replaced+`; read -u 5 line; test "$line" = "another file" && test ! -e /proc/$$/fd/3 && test ! -e /proc/$$/fd/4`)
	if code != 0 || stats.Installs != 1 {
		t.Errorf("exit code %d, %+v", code, stats)
	}
}

// TestNotReplaced: a file that the kernel has opened is closed, also when there
// is none to put in its place.
func TestNotReplaced(t *testing.T) {
	failed := 0
	code, stats := run(t, func(_ *Engine, _ trap.Task, c trap.Call) trap.Verdict {
		if c.NR != unix.SYS_OPENAT {
			return trap.Run()
		}
		return trap.RunThen(nil, func(_ trap.Task, ret int64) trap.Verdict {
			next := trap.Fail(unix.ENFILE)
			if failed++; failed == 1 {
				next = (&trap.Install{File: -1, At: -1}).Verdict()
			}
			return (&trap.Close{FD: int32(ret), Next: next}).Verdict()
		})
	}, `for i in 1 2; do exec {fd}< `+replaced+` && exit 1; ls -l /proc/$$/fd | grep -q `+replaced+` && exit 2; done; exit 0`)
	if code != 0 || failed != 2 || stats.Installs != 0 {
		t.Errorf("exit code %d, %d times, %+v", code, failed, stats)
	}
}

// surrogate is the end of a new pair; the other one is closed.
func surrogate(t *testing.T) int {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(p[0])
	return p[1]
}

// dial makes bash call socket and connect; descriptor 3 must be the socket.
const dial = `exec 3<>/dev/tcp/127.0.0.1/1; readlink /proc/$$/fd/3 | grep -q socket && test ! -e /proc/$$/fd/4`

// TestStale: what was sent to a task that was killed before it took it is
// thrown away by the next one.
func TestStale(t *testing.T) {
	code, stats := run(t, func(e *Engine, task trap.Task, c trap.Call) trap.Verdict {
		if c.NR != unix.SYS_SOCKET {
			return trap.Done(0)
		}
		for _, control := range e.controls {
			for range 3 {
				stale := surrogate(t)
				if errno := control.send(1<<40, stale); errno != 0 {
					t.Error(errno)
				}
				unix.Close(stale)
			}
		}
		return (&trap.Install{File: surrogate(t), At: -1}).Verdict()
	}, dial)
	if code != 0 || stats.Stale != 3 || stats.Installs != 1 {
		t.Errorf("exit code %d, %+v", code, stats)
	}
}

// TestStrangers: connections to the listener that are not the task's are
// turned away.
func TestStrangers(t *testing.T) {
	code, stats := run(t, func(e *Engine, task trap.Task, c trap.Call) trap.Verdict {
		if c.NR != unix.SYS_SOCKET {
			return trap.Done(0)
		}
		for range 3 {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, &unix.SockaddrUnix{Name: "@" + string(e.listener.address[3:])}); err != nil {
				t.Error(err)
			}
		}
		return (&trap.Install{File: surrogate(t), At: -1}).Verdict()
	}, "exec 1008>&-; "+dial)
	if code != 0 || stats.Remade != 1 || stats.Installs != 1 {
		t.Errorf("exit code %d, %+v", code, stats)
	}
}

// TestThenFails: the descriptor of a call that fails after all is closed.
func TestThenFails(t *testing.T) {
	code, _ := run(t, func(_ *Engine, _ trap.Task, c trap.Call) trap.Verdict {
		return (&trap.Install{File: surrogate(t), At: -1, Then: func(_ trap.Task, fd int32) trap.Verdict {
			if fd != 3 {
				t.Errorf("descriptor %d", fd)
			}
			return trap.Fail(unix.ENFILE)
		}}).Verdict()
	}, `(exec 3<>/dev/tcp/127.0.0.1/1) 2>&1 | grep -q "Too many open files in system" && test ! -e /proc/$$/fd/3`)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestTask: what a handler sees of a task.
func TestTask(t *testing.T) {
	var seen bool
	code, _ := run(t, func(_ *Engine, task trap.Task, c trap.Call) trap.Verdict {
		if c.NR != unix.SYS_SOCKET {
			return trap.Done(0)
		}
		seen = true
		if task.Name() != "bash" || task.TID() != task.PID() {
			t.Errorf("%s %d %d", task.Name(), task.TID(), task.PID())
		}
		for fd, want := range map[int32]unix.Errno{0: unix.ENOTSOCK, 77: unix.EBADF, -1: unix.EBADF, 1008: 0} {
			if _, errno := task.Inode(fd); errno != want {
				t.Errorf("Inode(%d): %v, want %v", fd, errno, want)
			}
		}
		checkPaths(t, task)
		if flags, errno := task.StatusFlags(9); flags&^unix.O_LARGEFILE&^0o100000 != unix.O_WRONLY|unix.O_APPEND || errno != 0 {
			t.Errorf("StatusFlags(9): %#o, %v", flags, errno)
		}
		if _, errno := task.StatusFlags(77); errno != unix.EBADF {
			t.Errorf("StatusFlags(77): %v", errno)
		}
		for _, addr := range []uint64{0, 8, 1 << 47, ^uint64(0) - 4} {
			if errno := task.ReadMemory(addr, make([]byte, 16)); errno != unix.EFAULT {
				t.Errorf("ReadMemory(%#x): %v", addr, errno)
			}
			if errno := task.WriteMemory(addr, make([]byte, 16)); errno != unix.EFAULT {
				t.Errorf("WriteMemory(%#x): %v", addr, errno)
			}
		}
		if errno := task.ReadMemory(0, nil); errno != 0 {
			t.Errorf("ReadMemory of nothing: %v", errno)
		}
		return trap.Fail(unix.EACCES)
	}, `exec 9>>/dev/null; exec 3<>/dev/tcp/127.0.0.1/1; exit 6`)
	if !seen || code == 0 {
		t.Errorf("seen %v, exit code %d", seen, code)
	}
}

func checkPaths(t *testing.T, task trap.Task) {
	t.Helper()
	for fd, want := range map[int32]unix.Errno{9: 0, 77: unix.ENOENT, -1: unix.EBADF} {
		if path, errno := task.Path(fd); errno != want || errno == 0 && string(path) != "/dev/null" {
			t.Errorf("Path(%d): %q, %v, want %v", fd, path, errno, want)
		}
	}
	here, err := os.Getwd()
	if path, errno := task.Path(unix.AT_FDCWD); errno != 0 || string(path) != here || err != nil {
		t.Errorf("working directory %q, %v, want %q, %v", path, errno, here, err)
	}
	for _, addr := range []uint64{0, 1 << 47, ^uint64(0) - 4} {
		if _, errno := task.ReadPath(addr); errno != unix.EFAULT {
			t.Errorf("ReadPath(%#x): %v", addr, errno)
		}
	}
}

// TestOwnChildren: a thread with children of its own cannot trace.
func TestOwnChildren(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child, err := os.StartProcess("/bin/cat", []string{"cat"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { child.Kill(); child.Wait() }()
	e, err := New(Config{Handler: handler(nil), Log: slog.Default()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var exec *ExecError
	if err := e.Spawn(Program{Paths: []string{"/bin/true"}, Args: []string{"true"}}); err == nil || errors.As(err, &exec) {
		t.Errorf("Spawn: %v", err)
	}
}
