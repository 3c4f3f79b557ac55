package tracer_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"netbox/tracer"

	"golang.org/x/sys/unix"
)

// cases is the compiled testdata/cases.c.
var cases string

const (
	// superviseEnv makes the test binary a supervisor: it launches its arguments.
	superviseEnv = "NETBOX_TEST_SUPERVISE"
	// engineEnv is the engine of all launches; ptrace without it.
	engineEnv = "NETBOX_TEST_ENGINE"
)

func engine() tracer.Engine { return cmp.Or(tracer.Engine(os.Getenv(engineEnv)), tracer.Ptrace) }

func TestMain(m *testing.M) {
	tracer.Init()
	if os.Getenv(superviseEnv) != "" {
		os.Exit(supervise(os.Args[1:]))
	}
	os.Exit(build(m))
}

// supervise does in small what cmd/netbox does.
func supervise(args []string) int {
	os.Unsetenv(superviseEnv)
	os.Setenv("SUPERVISOR", strconv.Itoa(os.Getpid())) // not always the program's parent
	net := newFakeNet()
	st, err := tracer.Launch(tracer.Options{Args: args, Engine: engine(), Handler: net, Log: quiet()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	if st.Signal != 0 {
		return 128 + int(st.Signal)
	}
	return st.Code
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "netbox-tracer-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755) // for the unprivileged
	cases = filepath.Join(dir, "cases")
	out, err := exec.Command("gcc", "-O1", "-Wall", "-pthread", "-o", cases, "testdata/cases.c").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "gcc: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience bounds every launch: a hang is the failure that these tests are
// most likely to find.
const patience = 20 * time.Second

// launch runs a program with fakeNet and returns what it wrote.
func launch(t *testing.T, o tracer.Options) (string, tracer.ExitStatus, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	net := newFakeNet()
	defer net.close()
	o.Stdout, o.Handler, o.Engine = w, net, engine()
	if o.Log == nil {
		o.Log = quiet()
	}
	var out bytes.Buffer
	done := make(chan struct{})
	go func() { io.Copy(&out, r); close(done) }()
	hang := time.AfterFunc(patience, func() {
		var tree strings.Builder
		ps, _ := exec.Command("ps", "-eLo", "pid,lwp,ppid,stat,wchan:24,args").Output()
		for line := range strings.Lines(string(ps)) {
			if strings.Contains(line, o.Args[0]) {
				tree.WriteString(line)
			}
		}
		panic(fmt.Sprintf("%s hangs\n%s", o.Args, tree.String()))
	})
	st, err := tracer.Launch(o)
	hang.Stop()
	w.Close()
	<-done
	r.Close()
	return out.String(), st, err
}

func TestCases(t *testing.T) {
	for _, name := range []string{
		"basic", "registers", "below_stack", "wait_eintr", "wait_restart", "wait_timeout", "wait_ignored", "accept_eintr", "accept_restart",
		"gated", "gate_crowd", "gate_killed", "accept_fault", "stop_cont", "stop_self", "handler_calls",
		"long_jump", "alt_stack", "storm", "forks", "exec_thread", "leader_gone", "group_exit", "killed",
		"threads", "small_stacks", "remake", "emfile", "put_at", "refused", "own_filter", "loop",
	} {
		t.Run(name, func(t *testing.T) {
			if why := untraced[name]; why != "" && engine() == tracer.Debuggable {
				t.Skip(why)
			}
			out, st, err := launch(t, tracer.Options{Args: []string{cases, name}})
			if err != nil || st != (tracer.ExitStatus{}) {
				t.Errorf("%+v, %v\n%s", st, err, out)
			}
		})
	}
}

// untraced are the cases that need a tracer, and why.
var untraced = map[string]string{
	"accept_fault": "only the task itself closes a descriptor that it was given",
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		args []string
		want tracer.ExitStatus
	}{
		{[]string{"sh", "-c", "exit 7"}, tracer.ExitStatus{Code: 7}},
		{[]string{"true"}, tracer.ExitStatus{}},
		{[]string{cases, "signalled"}, tracer.ExitStatus{Signal: unix.SIGSEGV}},
		{[]string{"sh", "-c", "kill -9 $$"}, tracer.ExitStatus{Signal: unix.SIGKILL}},
		{[]string{cases, "leaves"}, tracer.ExitStatus{Code: 5}},
	} {
		if _, st, err := launch(t, tracer.Options{Args: c.args}); err != nil || st != c.want {
			t.Errorf("%v: %+v, %v; want %+v", c.args, st, err, c.want)
		}
	}
}

// TestSame compares what a program is given with what it is given natively.
func TestSame(t *testing.T) {
	old := unix.Umask(0o27)
	defer unix.Umask(old)
	args := []string{cases, "show", "", "two words", "ünï"}
	env := append(os.Environ(), "EMPTY=", "TWICE=1", "TWICE=2", "not-an-assignment")
	dir := t.TempDir()
	native := exec.Command(args[0], args[1:]...)
	native.Dir = dir
	native.Env = env
	var want bytes.Buffer
	r, w, _ := os.Pipe()
	native.Stdout, native.Stdin, native.Stderr = w, os.Stdin, os.Stderr
	if err := native.Run(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	io.Copy(&want, r)
	got, st, err := launch(t, tracer.Options{Args: args, Env: native.Environ(), Dir: dir})
	if err != nil || st.Code != 0 {
		t.Fatal(st, err)
	}
	clean := func(s string) []string {
		lines := strings.Split(s, "\n")
		return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "fd 1 pipe") })
	}
	if a, b := clean(want.String()), clean(got); !slices.Equal(a, b) {
		t.Errorf("native:\n%s\nlaunched:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}
