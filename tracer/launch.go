package tracer

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"

	"netbox/tracer/keeper"
	"netbox/tracer/notify"
	"netbox/tracer/proc"
	"netbox/tracer/ptrace"
	"netbox/trap"

	"golang.org/x/sys/unix"
)

// Options say what to launch and who answers its calls.
type Options struct {
	// Args are the program's arguments. Args[0] is searched along PATH of Env,
	// as execvp(3) does, unless Path is set.
	Args []string
	Path string
	// Env is the environment; nil means the supervisor's.
	Env []string
	// Dir is the working directory; "" means the supervisor's.
	Dir string
	// Stdin, Stdout and Stderr are the supervisor's 0, 1 and 2 if nil.
	Stdin, Stdout, Stderr *os.File
	// PassFDs are descriptors of the supervisor that the program gets under
	// the same numbers.
	PassFDs []int
	// Engine is how trapped calls reach the handler.
	Engine Engine
	// HostSockets lets the kernel make the program's TCP and UDP sockets; the handler
	// judges what they are used for.
	HostSockets bool
	// Handler answers the trapped calls.
	Handler trap.Handler
	Log     *slog.Logger
}

// Engine is how trapped calls reach the supervisor.
type Engine string

const (
	// Auto is Notify where that can be had, else Ptrace.
	Auto Engine = "auto"
	// Ptrace stops the task: package netbox/tracer/ptrace alone.
	Ptrace Engine = "ptrace"
	// Notify is told by seccomp: package netbox/tracer/notify.
	Notify Engine = "notify"
	// Debuggable is Notify without a tracer, so that the program may have another, or
	// trace: package netbox/tracer/keeper holds it.
	Debuggable Engine = "debuggable"
)

// CanNotify says why the engine Notify can't be had here; nil if it can, but for a
// listener that whoever started this process has already.
func CanNotify() error { return notify.Available() }

// ExitStatus is how the main process ended: by exit with Code, or by Signal
// if that is not 0.
type ExitStatus struct {
	Code   int
	Signal unix.Signal
}

// ExecError says why the program could not be executed: ENOENT (a shell
// exits with 127 then), EACCES and others (126).
type ExecError = ptrace.ExecError

// CanBorrow says whether trap.Task's Borrow works here.
func CanBorrow() bool { return proc.CanBorrow() }

// Launch runs a program and all its descendants; see the package doc. An
// *ExecError means that the program was not started, other errors are the
// supervisor's own failures.
func Launch(o Options) (ExitStatus, error) {
	if len(o.Args) == 0 {
		return ExitStatus{}, errors.New("no program to run")
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	caught := catchSignals()
	defer caught.stop()

	if o.Engine == Debuggable {
		err := notify.Available()
		if err == nil {
			var status ExitStatus
			if status, err = runFree(o, caught); !isNoListener(err) {
				return status, err
			}
		}
		return ExitStatus{}, fmt.Errorf("a debuggable box needs the engine notify, which can't be had here (without strace and gdb inside, the engine ptrace can): %w", err)
	}
	if o.Engine == Notify || o.Engine == Auto {
		err := notify.Available()
		if err == nil {
			var status ExitStatus
			front := notify.New(o.Handler, o.Log)
			if status, err = run(o, front, caught); !isNoListener(err) {
				return status, err
			}
		}
		if o.Engine == Notify {
			return ExitStatus{}, fmt.Errorf("the engine notify can't be had here (--engine ptrace can): %w", err)
		}
		o.Log.Debug("engine ptrace instead of notify", "because", err)
	}
	return run(o, nil, caught)
}

func isNoListener(err error) bool {
	var none *ptrace.NoListener
	return errors.As(err, &none)
}

// run launches the program. front is nil for the engine Ptrace. What guards this
// process is there before Spawn: with a front the program runs on its own then.
func run(o Options, front *notify.Engine, caught *signals) (ExitStatus, error) {
	terminal := terminal{caught: caught}
	c := ptrace.Config{Handler: o.Handler, Log: o.Log, HostSockets: o.HostSockets, MainStopped: terminal.stop}
	if front != nil {
		c.Front = front
		defer front.Stop()
	}
	e, err := ptrace.New(c)
	if err != nil {
		return ExitStatus{}, err
	}
	defer e.Close()
	hideDescriptors()
	defer guardMemory()()
	terminal.signal = e.Signal
	if err = e.Spawn(program(o)); err != nil {
		var died *ptrace.Died
		if errors.As(err, &died) {
			return exitStatus(died.Status), nil
		}
		return ExitStatus{}, explain(err)
	}
	caught.forward(e.Signal)
	ws, err := e.Run()
	o.Log.Debug("interception ended", "stats", e.Stats())
	if front != nil {
		o.Log.Debug("notifications ended", "stats", front.Stats())
	}
	return exitStatus(ws), err
}

// runFree launches the program with nobody to trace it.
func runFree(o Options, caught *signals) (ExitStatus, error) {
	front := notify.New(o.Handler, o.Log)
	defer front.Stop() // after the last task
	e, err := ptrace.New(ptrace.Config{Handler: o.Handler, Log: o.Log, HostSockets: o.HostSockets, Front: front, Free: true})
	if err != nil {
		return ExitStatus{}, err
	}
	defer e.Close()
	hideDescriptors()
	p := program(o)
	// The keeper comes between, and Go's runtime there takes some over.
	p.Ignored = signalsOf(ignoredMask | proc.Ignored(unix.Getpid()))
	k, pid, err := keeper.Start(keeper.Job{Args: p.Args, Env: p.Env, Files: p.Files}, p.Dir)
	if err != nil {
		return ExitStatus{}, explain(err)
	}
	defer k.End()
	front.Free(k.Pid())
	defer guardMemory()()
	if err = e.SpawnFree(pid, p); err != nil {
		var died *ptrace.Died
		if errors.As(err, &died) {
			return exitStatus(died.Status), nil
		}
		return ExitStatus{}, explain(err)
	}
	caught.forward(k.Signal)
	terminal := terminal{signal: k.Signal, caught: caught, main: pid}
	ws, err := k.Wait(terminal.stop)
	o.Log.Debug("notifications ended", "stats", front.Stats())
	return exitStatus(ws), err
}

// guardMemory keeps the box, which runs under the same user, out of this
// process's /proc files: its memory and its descriptors. The result undoes it.
func guardMemory() (undo func()) {
	old, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || old != 1 {
		return func() {}
	}
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	return func() { unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }
}

func exitStatus(ws unix.WaitStatus) ExitStatus {
	if ws.Signaled() {
		return ExitStatus{Signal: ws.Signal()}
	}
	return ExitStatus{Code: ws.ExitStatus()}
}

func program(o Options) ptrace.Program {
	paths := []string{o.Path}
	if o.Path == "" {
		paths = searchPath(o.Args[0], o.Env)
	}
	return ptrace.Program{
		Paths: paths, Args: o.Args, Env: o.Env, Dir: o.Dir,
		Files: files(o), Ignored: signalsOf(ignoredMask), Blocked: blockedMask,
	}
}

// files lays out the program's descriptor table.
func files(o Options) []int {
	table := []int{0, 1, 2}
	for i, f := range []*os.File{o.Stdin, o.Stdout, o.Stderr} {
		if f != nil {
			table[i] = int(f.Fd())
		}
	}
	if len(o.PassFDs) > 0 {
		for len(table) <= slices.Max(o.PassFDs) {
			table = append(table, -1)
		}
		for _, fd := range o.PassFDs {
			if fd > 2 {
				table[fd] = fd
			}
		}
	}
	return table
}
