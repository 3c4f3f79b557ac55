package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"netbox/tracer"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a program in a new sandbox",
		ArgsUsage: "[--] COMMAND [ARG…]",
		Description: `The program and all that it starts see a host of their own: lo, eth0 (10.0.2.100,
fd00:2::64), a gateway (10.0.2.2), a resolver (10.0.2.3). What leaves it is the uplink's to say.

Examples:
  netbox run -- curl https://example.com/
  netbox run --uplink none -- make test
  netbox run --uplink sim -- dig example.test
  netbox run --host db.test=10.0.2.2 --host-loopback -- psql -h db.test
  netbox run --debuggable -- strace -f curl http://example.com/
  netbox run -p 127.0.0.1:8080:80 -p 5353:53/udp -- ./server`,
		Flags: runFlags(),
		Action: func(c *cli.Context) error {
			o, err := parseOptions(c)
			if err != nil {
				return usageError(err)
			}
			return run(o)
		},
	}
}

func runFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "uplink", Value: "nat", Usage: "where packets leave: nat (the host's network), host (the same by the host's own TCP and UDP sockets, which is faster), sim (a simulated internet), none"},
		&cli.StringFlag{Name: "sim", Usage: "simulate the internet described in YAML `FILE` (implies --uplink sim)"},
		&cli.StringFlag{Name: "engine", Value: "auto", EnvVars: []string{"NETBOX_ENGINE"}, Usage: "how system calls are trapped: notify, ptrace, or auto for the first that can be had"},
		&cli.BoolFlag{Name: "debuggable", EnvVars: []string{"NETBOX_DEBUGGABLE"}, Usage: "let strace, gdb and the like trace inside the sandbox (needs the engine notify)"},
		&cli.StringSliceFlag{Name: "dns", Usage: "ask the resolver `IP[:PORT]` instead of the host's (repeatable)"},
		&cli.StringSliceFlag{Name: "host", Usage: "answer `NAME=IP` in DNS (repeatable)"},
		&cli.StringSliceFlag{Name: "publish", Aliases: []string{"p"}, Usage: "publish `[ADDR:]HOSTPORT:PORT[/udp]` of the sandbox on the host (repeatable)"},
		&cli.BoolFlag{Name: "host-loopback", Usage: "let host.netbox (10.0.2.2, fd00:2::2) reach the host's loopback"},
		&cli.BoolFlag{Name: "no-fast-path", Usage: "make packets of all TCP, also where nothing looks at them"},
		&cli.StringSliceFlag{Name: "allow-unix", Usage: "let the program reach the host's AF_UNIX socket `PATH` (repeatable)"},
		&cli.IntSliceFlag{Name: "pass-fd", Usage: "leave descriptor `N` open for the program (repeatable)"},
		&cli.StringFlag{Name: "report", Usage: "`unsupported[=FILE]`: at the end, list what was asked for and netbox does not have, on standard error or in FILE"},
		&cli.StringFlag{Name: "log-level", Value: "warn", Usage: "error, warn, info or debug"},
	}
}

// exitStatus ends netbox as the program ended.
type exitStatus struct{ tracer.ExitStatus }

func (s exitStatus) Error() string { return fmt.Sprintf("the program ended with %+v", s.ExitStatus) }

// exit dies of the program's signal, if one killed it, so that netbox's parent
// sees the same.
func (s exitStatus) exit() {
	if s.Signal != 0 {
		dieOf(s.Signal)
		os.Exit(128 + int(s.Signal))
	}
	os.Exit(s.Code)
}

// spareProcessors is how many processors, in the sense of Go's scheduler, are there
// beside the machine's. If none is idle, the runtime wakes a thread to look for work each
// time that the engine's thread gives its processor away to wait: four times a connection
// on one core.
const spareProcessors = 1

func run(o options) error {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcessors)
	b, err := newBox(o)
	if err != nil {
		return err
	}
	status, err := tracer.Launch(tracer.Options{
		Args: o.args, Env: os.Environ(), PassFDs: o.passFDs,
		Engine: o.engine, HostSockets: o.uplink == "host", Handler: b.emulator, Log: o.log,
	})
	b.close()
	var exec *tracer.ExecError
	if errors.As(err, &exec) {
		fmt.Fprintln(os.Stderr, "netbox:", err)
		code := 126
		if errors.Is(err, unix.ENOENT) {
			code = 127
		}
		return exitStatus{tracer.ExitStatus{Code: code}}
	}
	if err != nil {
		return err
	}
	return exitStatus{status}
}

// sigsetSize is sizeof(sigset_t) in the kernel, in bytes.
const sigsetSize = 8

// dieOf kills this process by sig without another core dump.
func dieOf(sig unix.Signal) {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	// signal.Reset would leave the Go runtime's own handler for some signals.
	var byDefault [4]uint64 // struct sigaction of the kernel: SIG_DFL, no flags
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&byDefault)), 0, sigsetSize, 0, 0)
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}

// checkPassFDs makes sure that every descriptor to pass is open.
func checkPassFDs(fds []int) error {
	for _, fd := range fds {
		if fd < 0 {
			return fmt.Errorf("--pass-fd %d: not a descriptor", fd)
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return fmt.Errorf("--pass-fd %s: %w", strconv.Itoa(fd), err)
		}
	}
	return nil
}
