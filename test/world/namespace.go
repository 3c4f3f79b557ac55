package world

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Namespace is a host of its own: a network namespace, and a mount namespace
// for its resolv.conf.
type Namespace struct {
	name   string
	holder *exec.Cmd
	stdin  io.Closer
	files  map[string]bool // set by SetFile
}

// NewNamespace makes a host whose only interface is its loopback, up. It goes
// with the test; where it can't be made, the test is skipped.
func NewNamespace(t testing.TB, name string) *Namespace {
	t.Helper()
	NeedRoot(t)
	n, err := openNamespace(name)
	if err != nil {
		Skip(t, "network namespaces can't be made here: %v", err)
	}
	t.Cleanup(n.Close)
	err = n.Run("ip", "link", "set", "lo", "up")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Skip leaves a test out for want of a right or a program that this machine
// does not give; on CI that is a failure.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("on CI this may not be skipped: "+format, args...)
	}
	t.Skipf(format, args...)
}

func openNamespace(name string) (*Namespace, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), holdVariable+"="+name)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	err = cmd.Start()
	if err != nil {
		return nil, fmt.Errorf("starting the holder: %w", err)
	}
	n := &Namespace{name: name, holder: cmd, stdin: stdin, files: map[string]bool{}}
	_, err = stdout.Read(make([]byte, 1))
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("the holder of %s: %w", name, err)
	}
	return n, nil
}

// Close ends the namespace once no other process is in it.
func (n *Namespace) Close() {
	n.stdin.Close()
	// The holder's exit status tells nothing: it sleeps until it is let go.
	_ = n.holder.Wait()
}

// Path is the network namespace as a file, as for setns(2).
func (n *Namespace) Path() string { return n.path("net") }

func (n *Namespace) path(kind string) string {
	return fmt.Sprintf("/proc/%d/ns/%s", n.holder.Process.Pid, kind)
}

// Arguments is the command line that runs args inside the namespace. It
// execs: the process started is the process that runs args.
func (n *Namespace) Arguments(args ...string) []string {
	return append([]string{"nsenter", "--net=" + n.path("net"), "--mount=" + n.path("mnt"), "--wd=.", "--"}, args...)
}

// Command is exec.CommandContext for a program run inside the namespace.
func (n *Namespace) Command(ctx context.Context, args ...string) *exec.Cmd {
	args = n.Arguments(args...)
	return exec.CommandContext(ctx, args[0], args[1:]...)
}

// Run runs a command inside the namespace; the error has its output.
func (n *Namespace) Run(args ...string) error {
	out, err := n.Command(context.Background(), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("in %s: %s: %w: %s", n.name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Do calls f on a thread inside the network namespace: sockets that f itself
// makes are the namespace's, and stay so wherever they are used. Goroutines
// that f starts are outside again.
func (n *Namespace) Do(f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with its goroutine.
		runtime.LockOSThread()
		done <- n.enter(f)
	}()
	return <-done
}

func (n *Namespace) enter(f func() error) error {
	file, err := os.Open(n.Path())
	if err != nil {
		return err
	}
	defer file.Close()
	err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
	if err != nil {
		return fmt.Errorf("setns to %s: %w", n.name, err)
	}
	return f()
}

// SetFile makes path show content to processes of this namespace.
func (n *Namespace) SetFile(path, content string) error {
	file, err := os.CreateTemp("", "nbt-file-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(content)
	if err != nil {
		return err
	}
	err = file.Chmod(0o644)
	if err != nil {
		return err
	}
	err = file.Close()
	if err != nil {
		return err
	}
	// /etc/resolv.conf may be a symbolic link, and bind mounts follow it only
	// when its target exists.
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if n.files[target] {
		err = n.Run("umount", target)
		if err != nil {
			return err
		}
	}
	n.files[target] = true
	return n.Run("mount", "--bind", file.Name(), target)
}
