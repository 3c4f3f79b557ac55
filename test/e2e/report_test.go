package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"netbox/test/bed"
)

// reports are the ledgers of a test's boxes, which must be empty: netbox has all
// that the programs ask for.
type reports struct {
	dir   string
	count atomic.Int32
}

func newReports(t *testing.T) *reports {
	t.Helper()
	r := &reports{dir: scratch(t)}
	t.Cleanup(func() { r.check(t) })
	return r
}

// flags are those for one more box.
func (r *reports) flags() []string {
	name := filepath.Join(r.dir, fmt.Sprint(r.count.Add(1)))
	return []string{"--report", "unsupported=" + name}
}

func (r *reports) check(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(r.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 0 {
			t.Errorf("not supported:\n%s", text)
		}
	}
}

// reportScript asks for a family, an option and a request that nobody has.
const reportScript = `
import fcntl, socket
for ask in lambda: socket.socket(40, 1), lambda: socket.socket().getsockopt(6, 99), lambda: fcntl.ioctl(socket.socket(), 0x89ad, bytes(64)):
    try: ask()
    except OSError as e: print(e.errno)
`

// TestReport: --report unsupported tells kind, name, count and program, on
// standard error or in a file.
func TestReport(t *testing.T) {
	bed.Need(t, "python3")
	b, dir := bed.Build(t), scratch(t)
	want := []string{"address family\t40\t1\tpython3\n", "socket option\tlevel 6, option 99\t1\tpython3\n", "ioctl\t0x89ad\t1\tpython3\n"}
	run := func(report, script string) bed.Result {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return bed.Run(t, command(ctx, dir, b.Netbox, "run", "--uplink", "none", "--report", report, "--", "python3", "-c", script))
	}
	r := run("unsupported", reportScript)
	for _, w := range want {
		if !strings.Contains(r.Err, "netbox: unsupported: "+w) {
			t.Errorf("no %q: %s", w, r.Output())
		}
	}
	r = run("unsupported=rows", reportScript)
	text, err := os.ReadFile(filepath.Join(dir, "rows"))
	for _, w := range want {
		if err != nil || !strings.Contains(string(text), w) || r.Err != "" {
			t.Errorf("no %q: %v %s %s", w, err, text, r.Output())
		}
	}
	if r = run("unsupported", "pass"); r.Err != "netbox: unsupported: nothing\n" {
		t.Error(r.Output())
	}
	if r = run("anything", "pass"); r.Code != 125 {
		t.Error(r.Output())
	}
}
