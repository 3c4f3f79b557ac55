package tracer_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"netbox/tracer"
)

// TestGoroutines: a static Go program, whose runtime also sends itself
// SIGURG all the time.
func TestGoroutines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "goroutines")
	build := exec.Command("go", "build", "-o", path, "./testdata/goroutines")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, st, err := launch(t, tracer.Options{Args: []string{path}})
	if err != nil || st.Code != 0 {
		t.Errorf("%+v, %v\n%s", st, err, out)
	}
}

// TestLinkages: a program built in each way, musl's among them where there is
// its compiler.
func TestLinkages(t *testing.T) {
	for _, c := range []struct {
		name, cc string
		flags    []string
	}{
		{"static", "gcc", []string{"-static"}},
		{"static-pie", "gcc", []string{"-static-pie"}},
		{"no-pie", "gcc", []string{"-no-pie"}},
		{"musl", "musl-gcc", []string{"-static", "-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath(c.cc); err != nil {
				if os.Getenv("CI") != "" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			path := filepath.Join(t.TempDir(), "cases")
			args := append([]string{"-O1", "-pthread", "-w", "-o", path, "testdata/cases.c"}, c.flags...)
			if out, err := exec.Command(c.cc, args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for name := range strings.FieldsSeq("basic accept_restart gated forks exec_thread threads remake refused") {
				out, st, err := launch(t, tracer.Options{Args: []string{path, name}})
				if err != nil || st.Code != 0 {
					t.Errorf("%s: %+v, %v\n%s", name, st, err, out)
				}
			}
		})
	}
}
