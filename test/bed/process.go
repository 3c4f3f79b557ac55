package bed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Result is how a command ended. Code is its exit status, or 128 and the
// signal's number as a shell tells it.
type Result struct {
	Out, Err string
	Code     int
	Took     time.Duration
}

// Output is both outputs, for messages.
func (r Result) Output() string {
	return fmt.Sprintf("exit %d after %v\nstdout: %s\nstderr: %s", r.Code, r.Took.Round(time.Millisecond), r.Out, r.Err)
}

// Run runs the command to its end. The command's context bounds it, and its
// whole process group goes with it.
func Run(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	var out, errs bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &errs
	Group(cmd)
	start := time.Now()
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return Result{Out: out.String(), Err: errs.String(), Code: ExitCode(cmd.ProcessState), Took: time.Since(start)}
}

// Group puts the command in a process group of its own, which is killed as a
// whole when the command's context ends.
func Group(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid
	if cmd.Cancel != nil { // nil without a context
		cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	}
	// A grandchild in another group may hold the pipes.
	cmd.WaitDelay = 2 * time.Second
}

// ExitCode is the exit status as a shell tells it.
func ExitCode(s *os.ProcessState) int {
	status := s.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// Background is a process that runs beside the test.
type Background struct {
	Cmd    *exec.Cmd
	cancel context.CancelFunc
	out    *buffer
	done   chan struct{}
}

// Start starts what make gives; it is killed, with its group, when the test
// ends, and its output is logged when the test fails.
func Start(t testing.TB, command func(ctx context.Context) *exec.Cmd) *Background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &Background{Cmd: command(ctx), cancel: cancel, out: &buffer{}, done: make(chan struct{})}
	if b.Cmd.Stdout == nil {
		b.Cmd.Stdout = b.out
	}
	if b.Cmd.Stderr == nil {
		b.Cmd.Stderr = b.out
	}
	Group(b.Cmd)
	err := b.Cmd.Start()
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	go func() {
		defer close(b.done)
		// The state is in Cmd.ProcessState.
		_ = b.Cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-b.done
		if t.Failed() {
			t.Logf("%s\n%s", strings.Join(b.Cmd.Args, " "), b.out)
		}
	})
	return b
}

// Output is what the process has written so far.
func (b *Background) Output() string { return b.out.String() }

// Wait waits for the process's own end and returns its exit status.
func (b *Background) Wait(d time.Duration) (int, error) {
	select {
	case <-b.done:
		return ExitCode(b.Cmd.ProcessState), nil
	case <-time.After(d):
		return 0, fmt.Errorf("%s: still there after %v", strings.Join(b.Cmd.Args, " "), d)
	}
}

// Stop asks the process to end with SIGTERM, and fails the test when it does
// not within d.
func (b *Background) Stop(t testing.TB, d time.Duration) {
	t.Helper()
	err := b.Cmd.Process.Signal(unix.SIGTERM)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_, err = b.Wait(d)
	if err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// Ended tells whether the process has ended.
func (b *Background) Ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// Eventually polls ok for up to d: for another process's progress that no
// event tells.
func Eventually(d time.Duration, ok func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if ok() {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ok()
}

// buffer is a bytes.Buffer for a writer and a reader at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*buffer)(nil)

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
