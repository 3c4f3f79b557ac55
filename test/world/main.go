package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Environment variables by which the test binary knows its part when it is
// started again.
const (
	holdVariable = "NETBOX_TEST_HOLD"   // be a namespace's holder
	userVariable = "NETBOX_TEST_USERNS" // already inside the user namespace
)

// Tests are a package's tests: *testing.M.
type Tests interface{ Run() int }

// Main is the TestMain of a package that uses worlds: it plays the holder's
// part when asked, moves an ordinary user's tests into a user namespace, and
// otherwise runs the tests and then atExit's functions.
func Main(m Tests, atExit ...func()) {
	if os.Getenv(holdVariable) != "" {
		hold()
	}
	// Debian's ordinary users have no sbin folders on their PATH; sysctl and
	// setcap are there.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	if os.Geteuid() != 0 && os.Getenv(userVariable) == "" {
		refused = userNamespaces()
		if refused == nil {
			os.Exit(runInUserNamespace())
		}
	}
	if InUserNamespace() {
		loopbackUp()
	}
	code := m.Run()
	for _, f := range atExit {
		f()
	}
	os.Exit(code)
}

// InUserNamespace tells whether these tests are an ordinary user's, run as
// root of a user namespace with one uid.
func InUserNamespace() bool { return os.Getenv(userVariable) != "" }

// hold makes the mounts of this fresh mount namespace private, says so with a
// byte, and sleeps until the test's process has gone or lets go.
func hold() {
	// A terminal's Ctrl-C is for the tests; they end their holders.
	signal.Ignore(unix.SIGINT)
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err != nil {
		fmt.Fprintln(os.Stderr, "netbox: making mounts private:", err)
		os.Exit(1)
	}
	os.Stdout.Write([]byte{1})
	os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

// refused is why an ordinary user's tests are in no user namespace.
var refused error

// NeedRoot skips a test of an ordinary user that is in no user namespace.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "needs root or a user namespace; clone(CLONE_NEWUSER|CLONE_NEWNET|CLONE_NEWNS): %v", refused)
	}
}

// userNamespaces probes for unprivileged user namespaces that may make
// network and mount namespaces of their own.
func userNamespaces() error {
	cmd := exec.Command("true")
	cmd.SysProcAttr = userNamespaceAttributes()
	err := cmd.Run()
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}

func userNamespaceAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// loopbackUp gives tests that stay outside of every world a loopback: that of
// a fresh network namespace is down.
func loopbackUp() {
	out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "netbox: the user namespace's loopback: %v: %s\n", err, out)
		os.Exit(1)
	}
}

// runInUserNamespace runs this test binary again as root of a user namespace
// and returns its exit status.
func runInUserNamespace() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), userVariable+"=1")
	cmd.SysProcAttr = userNamespaceAttributes()
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "netbox: running the tests in a user namespace:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}
