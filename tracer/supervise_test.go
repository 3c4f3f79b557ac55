package tracer_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"netbox/tracer"

	"golang.org/x/sys/unix"
)

// supervisor is the test binary in the part of netbox.
func supervisor(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), superviseEnv+"=1")
	cmd.Stderr = os.Stderr
	return cmd
}

// startUp starts a supervisor whose program says "up".
func startUp(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := supervisor(t, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd
}

// processes are the pids of the running programs whose environment has mark.
func processes(t *testing.T, mark string) []int {
	t.Helper()
	var found []int
	dirs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range dirs {
		if env, err := os.ReadFile(path); err == nil && strings.Contains(string(env), mark) {
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
			found = append(found, pid)
		}
	}
	return found
}

// TestKilled: no process of the box outlives the supervisor.
func TestKilled(t *testing.T) {
	mark := "NETBOX_TEST_MARK=" + strconv.Itoa(os.Getpid())
	t.Setenv("NETBOX_TEST_MARK", strconv.Itoa(os.Getpid()))
	cmd := startUp(t, cases, "hangs")
	if n := len(processes(t, mark)); n < 5 {
		t.Fatalf("only %d processes before", n)
	}
	cmd.Process.Kill()
	cmd.Wait()
	deadline := time.Now().Add(5 * time.Second)
	for {
		left := processes(t, mark)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left over: %v", left)
		}
		runtime.Gosched()
	}
}

// TestKilledAtStart kills the supervisor at many moments of the launch.
func TestKilledAtStart(t *testing.T) {
	mark := "NETBOX_TEST_MARK=start" + strconv.Itoa(os.Getpid())
	t.Setenv("NETBOX_TEST_MARK", "start"+strconv.Itoa(os.Getpid()))
	for i := range 40 {
		cmd := supervisor(t, "sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 500 * time.Microsecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	deadline := time.Now().Add(5 * time.Second)
	for left := processes(t, mark); len(left) > 0; left = processes(t, mark) {
		if time.Now().After(deadline) {
			t.Fatalf("left over: %v", left)
		}
	}
}

func TestForwardedSignals(t *testing.T) {
	cmd := startUp(t, cases, "terminated")
	cmd.Process.Signal(unix.SIGTERM)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 77 {
		t.Errorf("exit code %d: the program's handler did not run", code)
	}
}

// TestForwardedAtOnce: a signal that comes as soon as the program runs is
// forwarded, too.
func TestForwardedAtOnce(t *testing.T) {
	const script = `trap 'exit 77' USR1 INT; kill -$0 $SUPERVISOR; sleep 20 & wait; exit 1`
	for range 10 {
		for _, sig := range []string{"USR1", "INT"} {
			cmd := supervisor(t, "sh", "-c", script, sig)
			cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 77 {
				t.Fatalf("%s: %v: the program's handler did not run", sig, cmd.ProcessState)
			}
		}
	}
}

func TestExecErrors(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/plain", []byte("echo $0 $1; exit 3\n"), 0o755)
	os.WriteFile(dir+"/noexec", nil, 0o644)
	for _, c := range []struct {
		name string
		want unix.Errno
	}{
		{"/no/such/file", unix.ENOENT},
		{"no-such-program", unix.ENOENT},
		{"", unix.ENOENT},
		{dir, unix.EACCES},
		{dir + "/noexec", unix.EACCES},
		{"noexec", unix.EACCES},
		{dir + "/noexec/x", unix.ENOTDIR},
	} {
		env := []string{"PATH=" + dir + ":/bin"}
		_, _, err := launch(t, tracer.Options{Args: []string{c.name}, Env: env})
		var exec *tracer.ExecError
		if !errors.As(err, &exec) || exec.Errno != c.want && !(c.want == unix.ENOTDIR && exec.Errno == unix.ENOENT) {
			t.Errorf("%q: %v, want %v", c.name, err, c.want)
		}
	}
	out, st, err := launch(t, tracer.Options{Args: []string{"plain", "arg"}, Env: []string{"PATH=" + dir}})
	if err != nil || st.Code != 3 || out != dir+"/plain arg\n" {
		t.Errorf("script without #!: %q, %+v, %v", out, st, err)
	}
}

// TestPassFDs: the program gets these descriptors and no other.
func TestPassFDs(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	leak, err := unix.Open("/", unix.O_RDONLY, 0) // without O_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	if err := unix.Dup3(int(w.Fd()), 57, 0); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out, st, err := launch(t, tracer.Options{Args: []string{cases, "show"}, PassFDs: []int{57}})
	unix.Close(57)
	if err != nil || st.Code != 0 {
		t.Errorf("%+v, %v", st, err)
	}
	for line := range strings.Lines(out) {
		var fd int
		if n, _ := fmt.Sscanf(line, "fd %d ", &fd); n == 1 && fd > 2 && fd != 57 {
			t.Errorf("the program has %s", line)
		}
	}
	if _, err := unix.FcntlInt(r.Fd(), unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Read(int(r.Fd()), make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the pipe's last writer is not gone: %d, %v", n, err)
	}
	if !strings.Contains(out, "\nfd 57 pipe:") {
		t.Errorf("no descriptor 57 in\n%s", out)
	}
}

// TestNotify runs the tests again with the other engines.
func TestNotify(t *testing.T) {
	if engine() != tracer.Ptrace {
		return
	}
	if err := tracer.CanNotify(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("on CI this may not be skipped: engine notify: ", err)
		}
		t.Skip("engine notify: ", err)
	}
	for _, other := range []tracer.Engine{tracer.Notify, tracer.Debuggable} {
		t.Run(string(other), func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", "-test.run", "^Test", "-test.v")
			cmd.Env = append(os.Environ(), engineEnv+"="+string(other))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestUnprivileged runs the cases again as nobody, without any capability. An
// ordinary user has run them so already.
func TestUnprivileged(t *testing.T) {
	if os.Getuid() != 0 {
		return
	}
	binary := filepath.Join(filepath.Dir(cases), "tracer.test")
	copyFile(t, "/proc/self/exe", binary)
	cmd := exec.Command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all",
		"--no-new-privs", binary, "-test.run", "TestCases|TestExitStatus|TestKilled|TestForeign")
	cmd.Env = append(os.Environ(), "NETBOX_TEST_SOURCE="+mustGetwd(t), "TMPDIR=/tmp")
	cmd.Dir = mustGetwd(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func mustGetwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestNothingLeaks: descriptors and goroutines of the supervisor are as they
// were after thousands of installs and the end of the box.
func TestNothingLeaks(t *testing.T) {
	launch(t, tracer.Options{Args: []string{cases, "basic"}}) // os/signal keeps a goroutine and a pipe
	count := func() (int, int) {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds), runtime.NumGoroutine()
	}
	fds, routines := count()
	for _, name := range []string{"loop", "remake", "killed", "storm"} {
		launch(t, tracer.Options{Args: []string{cases, name}})
	}
	// A goroutine that has closed its channel may still be on its way out.
	deadline := time.Now().Add(5 * time.Second)
	for f, r := count(); f > fds || r > routines; f, r = count() {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors and %d goroutines before, %d and %d after", fds, routines, f, r)
		}
		runtime.Gosched()
	}
}

// TestIgnored: signals that netbox was started with ignored are so in the
// program, and blocked ones blocked, when it is linked as make does.
func TestIgnored(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "tracer.test")
	if out, err := exec.Command("go", "test", "-c", "-ldflags=-E=netbox_start", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	show := "trap '' PIPE TERM USR2 HUP QUIT; exec env --block-signal=USR1,WINCH,CHLD "
	native, err := exec.Command("bash", "-c", show+cases+" show").Output()
	if err != nil {
		t.Fatal(err)
	}
	boxed, err := exec.Command("bash", "-c", show+superviseEnv+"=1 "+binary+" "+cases+" show").Output()
	if err != nil {
		t.Fatal(err)
	}
	signals := func(out []byte) (lines []string) {
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "signal") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	if want, got := signals(native), signals(boxed); len(want) < 8 || !slices.Equal(want, got) {
		t.Errorf("native %q, in the box %q", want, got)
	}
}
