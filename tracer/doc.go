// Package tracer starts a program under interception and runs it to its end.
//
// In main, before anything else, and before descriptors are opened:
//
//	tracer.Init()
//	...
//	status, err := tracer.Launch(tracer.Options{
//		Args: []string{"curl", "http://example.test/"},
//		Handler: emulation, // a trap.Handler
//		Log: log,
//	})
//
// Launch blocks until the whole tree of processes is gone. It works on one
// thread, which it locks: ptrace(2) requests count only from the thread that
// seized a task, and PTRACE_O_EXITKILL follows the thread, not the process. So
// Launch is best called on the main goroutine (Init locks it to the main
// thread), and must not be called from a goroutine that ends before it.
// Children that the supervisor starts for itself must be started by another
// goroutine: those of the locked thread would be reaped as tasks.
//
// The program gets the arguments, environment, working directory, umask,
// resource limits, signal mask and terminal as the supervisor was given them,
// the descriptors 0 to 2 and those of PassFDs, and nothing else but one
// hidden socket (see package netbox/tracer/ptrace). Signals: what the
// terminal sends reaches the program by itself, for it is in the same process
// group; the supervisor ignores it. SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and the
// like that are sent to the supervisor are passed on to the main process.
//
// A box whose tasks may trace each other (Options.Engine: Debuggable) has no tracer,
// and another process for its parent: package netbox/tracer/keeper.
//
// Two engines bring trapped calls to the handler (Options.Engine): package
// netbox/tracer/ptrace alone, or with netbox/tracer/notify before it.
//
// When the main process ends, the rest of the tree is killed: the box ends
// with its first process, as a container does. When the supervisor is killed,
// the kernel kills the box.
package tracer
