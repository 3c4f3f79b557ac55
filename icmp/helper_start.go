package icmp

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	helperName = "netbox-icmp"
	helperEnv  = "NETBOX_ICMP_HELPER"

	// helloPatience is how long a helper may take to say hello: it needs 10 ms
	// on an idle machine, and a loaded one is no reason to go without.
	helloPatience = 5 * time.Second

	// exitPatience is how long a helper whose socket is closed may take to
	// exit before it is killed.
	exitPatience = time.Second

	// maxWords is how many bytes of the helper's stderr are kept: a Go panic's
	// first lines.
	maxWords = 1024
)

// process is a running helper that has said hello.
type process struct {
	cmd    *exec.Cmd
	socket *os.File // the supervisor's end
	stderr *lastWords
	hello  hello
	exited chan struct{} // closed when cmd.Wait has returned
	err    error         // of cmd.Wait; valid once exited is closed
}

// findHelper is the absolute path of the helper's binary.
func findHelper(path string) (string, error) {
	if path == "" {
		path = os.Getenv(helperEnv)
	}
	if path != "" {
		return filepath.Abs(path)
	}
	if self, err := os.Executable(); err == nil {
		path = filepath.Join(filepath.Dir(self), helperName)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(helperName)
	if err != nil {
		return "", fmt.Errorf("%s is neither beside the program nor in $PATH", helperName)
	}
	return filepath.Abs(path)
}

// startHelper starts the helper and exchanges hellos. The helper has an empty
// environment, no descriptor but its socket, and a session of its own, so that
// Ctrl-C at the terminal is not for it. It is not tied to the supervisor by
// PR_SET_PDEATHSIG, which follows the starting thread, but by its socket:
// hang-up ends it.
func startHelper(path string) (*process, error) {
	ours, theirs, err := seqpacketPair()
	if err != nil {
		return nil, err
	}
	p := &process{socket: ours, stderr: &lastWords{}, exited: make(chan struct{})}
	p.cmd = &exec.Cmd{
		Path:       path,
		Args:       []string{helperName},
		Env:        []string{},
		Dir:        "/",
		Stderr:     p.stderr,
		ExtraFiles: []*os.File{theirs}, // HelperFD
		WaitDelay:  exitPatience,
		SysProcAttr: &syscall.SysProcAttr{
			Setsid: true,
		},
	}
	err = p.cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, err
	}
	go func() { // ends with the process; stop waits for it
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	if err := p.greet(); err != nil {
		p.stop()
		return nil, fmt.Errorf("%w (%s)", err, p.epitaph())
	}
	return p, nil
}

// seqpacketPair makes the two ends of a conversation. Ours never blocks a
// thread. Theirs is passed on by exec, which clears its close-on-exec flag in
// the child alone.
func seqpacketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "helper"), os.NewFile(uintptr(fds[1]), "supervisor"), nil
}

// greet exchanges hellos.
func (p *process) greet() error {
	if err := p.socket.SetDeadline(time.Now().Add(helloPatience)); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if _, err := p.socket.Write(appendHello(nil, hello{})); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	b := make([]byte, maxMessage)
	n, err := p.socket.Read(b)
	if err != nil {
		return fmt.Errorf("no hello: %w", err)
	}
	if p.hello, err = parseHello(b[:n]); err != nil {
		return err
	}
	return p.socket.SetDeadline(time.Time{})
}

// stop hangs up, sees to it that the process ends, and waits until it has.
func (p *process) stop() {
	p.socket.Close()
	patience := time.NewTimer(exitPatience)
	defer patience.Stop()
	select {
	case <-p.exited:
	case <-patience.C:
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// epitaph says how the process ended and what it said.
func (p *process) epitaph() string {
	s := "exit status 0"
	if p.err != nil {
		s = p.err.Error()
	}
	if last := p.stderr.String(); last != "" {
		s += ": " + last
	}
	return s
}

// capable answers nil if the helper has raw sockets of some family.
func (h hello) capable() error {
	if h.errno4 == 0 || h.errno6 == 0 {
		return nil
	}
	return errNoRawSocket{h.errno4}
}

// errNoRawSocket is the errno of the helper's socket(2).
type errNoRawSocket struct{ errno unix.Errno }

func (e errNoRawSocket) Error() string { return "raw socket: " + e.errno.Error() }

func (e errNoRawSocket) Unwrap() error { return e.errno }

// lastWords is a writer that keeps the beginning of what is written: the
// helper says nothing but why it ends, and a Go crash says that first.
type lastWords struct {
	mu sync.Mutex
	b  []byte
}

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p[:min(len(p), maxWords-len(w.b))]...)
	return len(p), nil
}

// String is what was written, without the blank around it.
func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(string(w.b))
}
