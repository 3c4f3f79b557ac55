package icmp

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/world"
)

// pid is the helper's, which must be up.
func (c *Conn) pid(tb testing.TB) int {
	tb.Helper()
	h := c.rung.(*helperRung)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.up == nil {
		tb.Fatal("the helper is down")
	}
	return h.up.cmd.Process.Pid
}

// checkLocked checks that every thread of the helper has given up everything.
func checkLocked(t *testing.T, pid int) {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(paths) < 2 {
		t.Fatalf("threads %v, %v", paths, err)
	}
	for _, path := range paths {
		status, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
			"CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"}
		if !world.InUserNamespace() { // where it stays its only user
			want = append(want, "Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534", "Groups:\t ")
		}
		if privileged(t) {
			want = append(want, "CapBnd:\t0000000000000000")
		}
		for _, w := range want {
			if !strings.Contains(string(status), "\n"+w+"\n") {
				t.Errorf("%s: not %q\n%s", path, w, status)
			}
		}
	}
}

func testLocked(t *testing.T, helper string) {
	// A descriptor that is left open by mistake must not reach the helper's
	// life.
	leak, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	c := openConn(t, Options{HelperPath: helper}, RungHelper)
	checkLocked(t, c.pid(t))
	a := newAsker(t, c)
	for range 100 { // long enough for threads to come up
		a.checkEcho(Request{Dst: addr(farAddrs[0]), Payload: pattern(60000)})
	}
	checkLocked(t, c.pid(t))
	if !privileged(t) {
		return // it is not dumpable, so its descriptors are root's to see
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.pid(t)))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, fd := range fds {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", c.pid(t), fd.Name()))
		kind, _, _ := strings.Cut(target, ":")
		kinds = append(kinds, kind)
	}
	// Standard ones, the conversation, the runtime's poller (which reading
	// /proc starts), two raw sockets for each family.
	if got, want := strings.Join(kinds, " "), "/dev/null /dev/null pipe socket anon_inode anon_inode socket socket socket socket"; got != want {
		t.Errorf("descriptors %s, want %s", got, want)
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.pid(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Max core file size 0 0", "Max file size 0 0", "Max locked memory 0 0"} {
		if !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), want) {
			t.Errorf("no %q in\n%s", want, limits)
		}
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.pid(t)))
	if err != nil || len(environ) != 0 {
		t.Errorf("environment %q, %v", environ, err)
	}
}

func TestHelperIsLocked(t *testing.T) {
	if inside(t, asRoot, false) {
		testLocked(t, os.Getenv(plainEnv))
	}
}

func TestHelperIsLockedNobody(t *testing.T) {
	if inside(t, asNobody, false) {
		testLocked(t, os.Getenv(capableEnv))
	}
}

// deaths collects what Options.Down is told.
type deaths struct {
	mu   sync.Mutex
	errs []error
}

func (d *deaths) down(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errs = append(d.errs, err)
}

func (d *deaths) all() []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]error(nil), d.errs...)
}

// await repeats condition until it holds.
func await(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			tb.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// isUp tells whether a helper other than that with pid old serves.
func (c *Conn) isUp(old int) bool {
	h := c.rung.(*helperRung)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.up != nil && h.up.cmd.Process.Pid != old
}

// A helper killed in the middle of a stream: the stream goes on, loses some,
// and recovers.
func TestHelperKilled(t *testing.T) {
	if !inside(t, asNobody, false) {
		return
	}
	var d deaths
	c := openConn(t, Options{HelperPath: os.Getenv(capableEnv), Down: d.down}, RungHelper)
	a := newAsker(t, c)
	for i := range 5 {
		a.checkEcho(Request{Dst: addr(farAddrs[0]), Payload: pattern(56)})
		pid := c.pid(t)
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		lost := a.streamUntilUp(pid)
		if len(d.all()) != i+1 {
			t.Fatalf("reported %v, want %d", d.all(), i+1)
		}
		last := d.all()[i].Error()
		if !strings.Contains(last, "killed") || !strings.Contains(last, strconv.Itoa(pid)) {
			t.Fatalf("reported %q", last)
		}
		t.Logf("death %d: %d sends refused before the helper was up again", i+1, lost)
		a.drain()
	}
	if got := c.Counters().HelperDeaths; got != 5 {
		t.Fatalf("counted %d deaths", got)
	}
}

// streamUntilUp sends until a new helper is up and counts the refusals.
func (a *asker) streamUntilUp(old int) (refused int) {
	a.Helper()
	await(a, "a new helper", func() bool {
		start := time.Now()
		errno := a.conn.Send(Request{Dst: addr(farAddrs[0]), Payload: pattern(56)})
		if took := time.Since(start); took > time.Second {
			a.Fatalf("Send took %v", took)
		}
		switch errno {
		case 0:
		case unix.EHOSTUNREACH:
			refused++
		default:
			a.Fatal(errno)
		}
		return a.conn.isUp(old)
	})
	return refused
}

// drain takes replies until none has come for a while, so that those of the
// stream are not taken for the next request's.
func (a *asker) drain() {
	for {
		select {
		case <-a.replies:
		case <-time.After(200 * time.Millisecond):
			return
		}
	}
}

// A Go crash in the helper, and its last words, come through the filter.
func TestHelperCrashIsReported(t *testing.T) {
	if !inside(t, asNobody, false) {
		return
	}
	var d deaths
	c := openConn(t, Options{HelperPath: os.Getenv(capableEnv), Down: d.down}, RungHelper)
	if err := unix.Kill(c.pid(t), unix.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	await(t, "a report", func() bool { return len(d.all()) > 0 })
	if got := d.all()[0].Error(); !strings.Contains(got, "exit status 2") || !strings.Contains(got, "SIGQUIT") {
		t.Fatalf("reported %q", got)
	}
}

// When the helper's binary goes away, the failure to start is reported once,
// and the Conn recovers when it is back.
func TestHelperGoneAndBack(t *testing.T) {
	if !inside(t, asRoot, false) {
		return
	}
	path := filepath.Join(t.TempDir(), "helper")
	install := func() {
		if err := os.Symlink(os.Getenv(plainEnv), path); err != nil {
			t.Fatal(err)
		}
	}
	install()
	var d deaths
	c := openConn(t, Options{HelperPath: path, Down: d.down}, RungHelper)
	pid := c.pid(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "both reports", func() bool { return len(d.all()) == 2 })
	time.Sleep(500 * time.Millisecond) // a few more tries, which are not reported
	if errs := d.all(); len(errs) != 2 || !errors.Is(errs[1], os.ErrNotExist) {
		t.Fatalf("reported %v", errs)
	}
	if errno := c.Send(Request{Dst: addr(farAddrs[0])}); errno != unix.EHOSTUNREACH {
		t.Fatal(errno)
	}
	install()
	await(t, "a new helper", func() bool { return c.isUp(pid) })
	newAsker(t, c).checkEcho(Request{Dst: addr(farAddrs[0]), Payload: pattern(8)})
}
